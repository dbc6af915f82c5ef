"""The dial `u` on the device: what a valid value is, and which level serves it."""

import numbers
from bisect import bisect_right
from collections.abc import Sequence

# A float32 0.7 is 1.2e-8 below the float64 0.7 of a level, and still means that level.
ROUNDING = 1e-6


def check_utilization(utilization: float) -> float:
    """Returns `utilization` as a float after checking that it lies in (0, 1].

    Args:
        utilization: A real number; numpy scalars are accepted.

    Returns:
        The same number as a Python float.

    Raises:
        ValueError: If it is not a real number in (0, 1].

    Example:

    >>> check_utilization(1)
    1.0
    """
    is_number = isinstance(utilization, float) or (  # first, as the other question takes longer
        isinstance(utilization, numbers.Real) and not isinstance(utilization, bool)
    )
    if not is_number or not 0.0 < utilization <= 1.0:  # NaN fails the comparison
        raise ValueError(
            "Invalid value for `utilization`. Expected a float in (0, 1]. "
            f"Received: utilization={utilization!r}"
        )
    return float(utilization)


def level_index(utilizations: Sequence[float], utilization: float) -> int:
    """Returns the index of the highest level that is not above `utilization`.

    Below the lowest level there is nothing smaller to run, so the lowest level serves.

    Args:
        utilizations: The utilization of each level, rising. Of equal ones, the exits of one level,
            the last serves: the level as a whole.
        utilization: The asked utilization, in (0, 1].

    Returns:
        An index into `utilizations`.

    Example:

    >>> [level_index((0.25, 0.5, 1.0), u) for u in (0.1, 0.25, 0.6, 1.0)]
    [0, 0, 1, 2]
    >>> level_index((0.5, 0.5, 1.0, 1.0), 0.1)
    1
    """
    return bisect_right(utilizations, max(utilization + ROUNDING, utilizations[0])) - 1


def is_utilization(value: object) -> bool:
    """Tells whether a value read from a file is a utilization: a number in (0, 1]."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0.0 < value <= 1.0
