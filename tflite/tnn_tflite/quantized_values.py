"""Between real numbers and the integers that stand for them in a level's inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tnn_tflite.bundle.programs import Quantization


def quantize(x: np.ndarray, quantization: Quantization, dtype: str) -> np.ndarray:
    """Returns the integers that stand for real numbers, of which the nearest and within range.

    Each level has its own `Level.input_quantization`: choose the level before you quantize.

    Args:
        x: Real numbers, any shape.
        quantization: Of an input of the level that will run.
        dtype: The element type of that input, for example `"int8"`.

    Raises:
        ValueError: If a number is NaN, which no integer stands for.

    Example:

    >>> half = tnn_tflite.Quantization(scale=0.5, zero_point=-128)
    >>> quantize(np.array([0.0, 1.0, 999.0]), half, "int8").tolist()
    [-128, -126, 127]
    """
    if np.isnan(x).any():
        raise ValueError(
            "Invalid value for `x`. Expected numbers. "
            f"Received: {int(np.isnan(x).sum())} NaN. Clean the data before it comes here."
        )
    limits = np.iinfo(dtype)
    integers = np.round(x / quantization.scale) + quantization.zero_point
    return np.clip(integers, limits.min, limits.max).astype(dtype)


def dequantize(q: np.ndarray, quantization: Quantization) -> np.ndarray:
    """Returns the real numbers, float32, that integers of a level's output stand for.

    Args:
        q: Integers, any shape.
        quantization: Of an output of the level that ran.

    Example:

    >>> half = tnn_tflite.Quantization(scale=0.5, zero_point=-128)
    >>> dequantize(np.array([-126], "int8"), half).tolist()
    [1.0]
    """
    integers = q.astype("float64") - quantization.zero_point
    return (quantization.scale * integers).astype("float32")
