"""Arguments that are numbers of some kind."""

import math
import numbers


def check_count(value, name: str) -> int:
    """Returns `value`, or raises ValueError if it is not a positive integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"Invalid value for `{name}`. Expected a positive integer. Received: {name}={value!r}"
        )
    return value


def check_not_negative(value, name: str) -> float:
    """Returns `value` as a float, or raises ValueError if it is not a finite number, 0 or more."""
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not valid or not 0 <= value < math.inf:
        raise ValueError(
            f"Invalid value for `{name}`. Expected a float, 0 or more. Received: {name}={value!r}"
        )
    return float(value)


def check_share(value, name: str) -> float:
    """Returns `value` as a float, or raises ValueError if it is not a number in [0, 1]."""
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not valid or not 0 <= value <= 1:
        raise ValueError(
            f"Invalid value for `{name}`. Expected a float in [0, 1]. Received: {name}={value!r}"
        )
    return float(value)


def check_permutation(value, name: str, size: int) -> list[int]:
    """Returns `value` as integers, or raises ValueError if it is no order of 0 to size - 1."""
    if sorted(value) != list(range(size)):
        raise ValueError(
            f"Invalid value for `{name}`. Expected a permutation of range({size}). "
            f"Received: {name}={value!r}"
        )
    return [int(one) for one in value]
