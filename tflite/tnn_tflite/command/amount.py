"""Amounts that stand on a command line, such as 200k."""

UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}


def amount(word: str, flag: str) -> float:
    """Returns a number that may end with k, M or G, and with B.

    Args:
        word: What stood on the command line.
        flag: The flag's name, for the error.

    Raises:
        ValueError: If it is no such number.

    Example:

    >>> amount("200k", "bytes"), amount("1.5MB", "bytes"), amount("80", "bytes")
    (200000.0, 1500000.0, 80.0)
    """
    digits = word.strip().lower().removesuffix("b")
    unit = digits[-1:] if digits[-1:] in UNITS else ""
    try:
        return float(digits.removesuffix(unit)) * UNITS[unit]
    except ValueError as error:
        raise ValueError(
            f"Invalid value for --{flag}. Expected a number such as 80000, 200k or 1.5M. "
            f"Received: {word}"
        ) from error
