"""The Keras kernel behind each kernel of a TFLite file.

The converter writes kernels in another order of axes, and folds the batch norm behind a layer into
its kernel: a factor for each output channel. Levels are exact slices of one another in Keras, and
only there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

# Of the largest number of a channel. Folding rounds twice, to 6e-8 each.
ROUNDING = 1e-6
SAMPLES = 32  # numbers of a channel that are compared before all are


class KernelFinder:
    """Finds the Keras kernel from which a TFLite kernel was made.

    Args:
        kernels: The Keras weights of the network, rank 2 and more.
    """

    def __init__(self, kernels: Sequence[np.ndarray]) -> None:
        self._by_shape: dict[tuple[int, ...], list[np.ndarray]] = defaultdict(list)
        for kernel in kernels:
            for array in _as_in_tflite(np.asarray(kernel)):
                self._by_shape[array.shape].append(array)

    def find(self, array: np.ndarray, axis: int) -> np.ndarray | None:
        """Returns the Keras kernel, its axes in TFLite's order.

        Args:
            array: A float32 kernel of a TFLite file.
            axis: Its axis of output channels.

        Returns:
            An array of the same shape, to which `array` is proportional channel by channel, or
            None if there is none.
        """
        for kernel in self._by_shape[array.shape]:
            if factor_between(kernel, array, axis) is not None:
                return kernel
        return None


def _as_in_tflite(kernel: np.ndarray) -> Iterator[np.ndarray]:
    """A Keras kernel in every order of axes that TFLite may have it in."""
    if kernel.dtype != np.float32:
        return
    if kernel.ndim == 2:  # dense: (inputs, units) -> (units, inputs)
        yield kernel.T
        yield kernel.T[:, None, None, :]
    if kernel.ndim == 3:  # over one axis, which TFLite takes as the second of two
        kernel = kernel[None]
    if kernel.ndim == 4:
        yield kernel.transpose(3, 0, 1, 2)  # convolution: (h, w, in, out) -> (out, h, w, in)
        yield kernel.transpose(2, 0, 1, 3)  # transposed: (h, w, out, in) -> (out, h, w, in)
        yield kernel.reshape(1, *kernel.shape[:2], -1)  # depthwise: (h, w, in, times)
    if kernel.ndim == 5:
        yield kernel
        for flat in _as_planar(kernel):
            yield from _as_in_tflite(flat)


def _as_planar(kernel: np.ndarray) -> Iterator[np.ndarray]:
    """A 3-D kernel as `tnn_tflite.planar` writes it in 2-D.

    Args:
        kernel: `(taps, height, width, in, out)`.
    """
    taps, height, width, inputs, filters = kernel.shape
    yield kernel.transpose(1, 2, 0, 3, 4).reshape(height, width, taps * inputs, filters)
    rows = kernel.reshape(taps * height, width, inputs, filters)
    yield rows.transpose(1, 0, 2, 3).reshape(1, width, taps * height * inputs, filters)
    if inputs == 1:  # depthwise, tap by tap
        yield from kernel.swapaxes(-2, -1)


def factor_between(whole: np.ndarray, array: np.ndarray, axis: int) -> np.ndarray | None:
    """Returns the factors by which the channels of one kernel are those of another.

    Args:
        whole: A kernel.
        array: A kernel of the same shape.
        axis: The axis of output channels.

    Returns:
        `(channels,)`, float64, such that `whole * factor` is `array` up to rounding; or None.
    """
    channels = np.moveaxis(whole, axis, 0).reshape(whole.shape[axis], -1)
    others = np.moveaxis(array, axis, 0).reshape(whole.shape[axis], -1)
    some = slice(None, None, max(1, channels.shape[1] // SAMPLES))
    if _ratio(channels[:1, some], others[:1, some]) is None:
        return None
    return _ratio(channels, others)


def _ratio(channels: np.ndarray, others: np.ndarray) -> np.ndarray | None:
    """Least squares for each channel, checked number by number."""
    squares = np.einsum("ci,ci->c", channels, channels, dtype=np.float64)
    products = np.einsum("ci,ci->c", channels, others, dtype=np.float64)
    factor = products / np.where(squares > 0, squares, 1.0)
    error = np.abs(channels * factor.astype(np.float32)[:, None] - others).max(1)
    limit = ROUNDING * np.abs(others).max(1)
    return factor if np.isfinite(factor).all() and (error <= limit).all() else None
