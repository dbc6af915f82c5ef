"""A number above 0, as times and sizes are."""

import numbers
import sys


def check_positive(name: str, value: float) -> float:
    """Returns `value` as a float after checking that it is a finite number above 0.

    Args:
        name: The argument's name, for the error.
        value: A real number; numpy scalars are accepted.

    Raises:
        ValueError: If it is not a finite number above 0.

    Example:

    >>> check_positive("budget_ms", 4)
    4.0
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    # NaN fails the comparison; an integer may be larger than any float.
    if not is_number or not 0.0 < value <= sys.float_info.max:
        raise ValueError(
            f"Invalid value for `{name}`. Expected a finite number above 0. "
            f"Received: {name}={value!r}"
        )
    return float(value)


def is_positive(value: object) -> bool:
    """Tells whether a value read from a file is a finite number above 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value <= sys.float_info.max  # false for NaN, and for huge integers
