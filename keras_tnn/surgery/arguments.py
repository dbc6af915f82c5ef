"""What a call was given: its arguments, by position or by name, and their sizes."""

import math
from typing import Any

import numpy as np

from keras_tnn.surgery.calls import Call


def argument(call: Call, position: int, name: str) -> Any:
    """One argument; None where it was left out."""
    return call.args[position] if position < len(call.args) else call.kwargs.get(name)


def shape_of(x) -> tuple:
    """Shape of a tensor, an array, or nested lists of numbers."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def axes_of(call: Call, rank: int) -> set[int]:
    """The axes that an operation works along, counted from the first; all where it names none."""
    axis = call.operation.axis
    return set(range(rank)) if axis is None else {int(a) % rank for a in np.atleast_1d(axis)}


def product(call: Call, sizes: tuple) -> int:
    """The product of `sizes`.

    Raises:
        ValueError: if one of them is None.
    """
    if None in sizes:
        raise ValueError(
            f"The cost of layer '{call.name}' depends on a size that is not known. Expected an "
            f"input of fixed shape. Received: sizes={tuple(sizes)}. Ask for the cost at one size, "
            "such as `count_macs(model, input_shape=(224, 224, 3))`, or build the model with it."
        )
    return math.prod(sizes)
