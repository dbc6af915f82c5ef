"""The arguments of a call, whether they were given by position or by name."""

from typing import Any

import numpy as np

from keras_tnn.surgery.graph import Call


def argument(call: Call, position: int, name: str) -> Any:
    """One argument; None where it was left out."""
    return call.args[position] if position < len(call.args) else call.kwargs.get(name)


def shape_of(x) -> tuple:
    """Shape of a tensor, an array, or nested lists of numbers."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)
