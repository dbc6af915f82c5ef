"""Utilization `u` in (0, 1]: how much of the network runs. One place says what a valid value is."""

import numbers

import numpy as np


def check_utilization(value, name: str = "utilization") -> np.ndarray:
    """Returns `value` as a float32 array after checking that each entry lies in (0, 1].

    Args:
        value: a number, or an array of numbers, one a sample.
        name: what to call it in the error.

    Raises:
        ValueError: if an entry is not a number in (0, 1].
    """
    message = f"Invalid value for `{name}`. Expected a float in (0, 1]. Received: {name}={value!r}"
    if isinstance(value, (bool, str)) or value is None:
        raise ValueError(message)
    try:
        array = np.asarray(value, dtype="float32")
    except (TypeError, ValueError) as error:
        raise ValueError(message) from error
    if array.size == 0 or not np.all((array > 0) & (array <= 1)):  # NaN fails both comparisons
        raise ValueError(message)
    return array


def has_dial(model) -> bool:
    """Whether a model, or the graph of one, has an input named "utilization"."""
    return any(x.name == "utilization" for x in getattr(model, "inputs", None) or ())


def check_one(value, name: str = "utilization") -> float:
    """Returns one utilization as a float after checking that it lies in (0, 1].

    Raises:
        ValueError: as `check_utilization`, and if `value` is not a single number.
    """
    array = check_utilization(value, name)
    if array.size != 1:
        raise ValueError(
            f"Invalid value for `{name}`. Expected one float in (0, 1]. Received: {name}={value!r}"
        )
    return float(np.asarray(value).item())


def check_levels(levels, name: str = "levels") -> tuple[float, ...]:
    """Returns `levels` as a tuple of floats after checking that they rise strictly within (0, 1].

    Raises:
        ValueError: if the list is empty, unsorted, has doubles, or holds an invalid utilization.
    """
    if isinstance(levels, (str, numbers.Number)) or not hasattr(levels, "__iter__"):
        raise ValueError(
            f"Invalid value for `{name}`. Expected a rising sequence of floats in (0, 1], for "
            f"example (0.25, 0.5, 1.0). Received: {name}={levels!r}"
        )
    levels = tuple(levels)
    if not levels:
        raise ValueError(f"Invalid value for `{name}`. Expected at least one level. Received: ()")
    values = tuple(check_one(level, name) for level in levels)
    if any(high <= low for low, high in zip(values, values[1:], strict=False)):
        raise ValueError(
            f"Invalid value for `{name}`. Expected levels that rise, each once. "
            f"Received: {name}={values}"
        )
    return values
