"""A number above 0, as times and sizes are."""

import math
import numbers


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
    if not is_number or not 0.0 < value < math.inf:  # NaN fails the comparison
        raise ValueError(
            f"Invalid value for `{name}`. Expected a finite number above 0. "
            f"Received: {name}={value!r}"
        )
    return float(value)
