"""Utilizations that stand on a command line."""

from collections.abc import Sequence


def utilizations(words: Sequence[str], flag: str) -> list[float]:
    """Returns the numbers of a flag that lists utilizations.

    Args:
        words: What stood between the commas.
        flag: The flag's name, for the error.

    Raises:
        ValueError: If a word is not a number.
    """
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise ValueError(
            f"Invalid value for --{flag}. Expected numbers between commas. "
            f"Received: {','.join(words)}"
        ) from error
