"""Arguments that count something."""


def check_count(value, name: str) -> int:
    """Returns `value`, or raises ValueError if it is not a positive integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"Invalid value for `{name}`. Expected a positive integer. Received: {name}={value!r}"
        )
    return value
