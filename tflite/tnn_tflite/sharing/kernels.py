"""The Keras kernel behind each kernel of a TFLite file.

The converter writes kernels in another order of axes, and folds the batch norm behind a layer into
its kernel: a factor for each output channel. Levels are exact slices of one another in Keras, and
only there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# Of the largest number of a channel. Folding rounds twice, to 6e-8 each.
ROUNDING = 1e-6
SAMPLES = 32  # numbers of a channel that tell one kernel from another

# A kernel's axes in Keras, and those that TFLite may make of them. An axis of several letters runs
# over all of them, the last one fastest.
ORDERS = (
    ("io", "o i"),  # dense
    ("io", "o 1 1 i"),  # dense at each position
    ("wio", "o 1 w i"),  # convolution over one axis
    ("woi", "o 1 w i"),  # transposed
    ("wim", "1 1 w im"),  # depthwise, m filters a channel
    ("hwio", "o h w i"),  # convolution
    ("hwoi", "o h w i"),  # transposed
    ("hwim", "1 h w im"),  # depthwise
    ("thwio", "t h w i o"),  # convolution in 3-D
    ("thwio", "o h w ti"),  # in 2-D by `tnn_tflite.planar`: frames are channels
    ("thwio", "o 1 w thi"),  # rows, too
)


@dataclass(frozen=True, eq=False)
class Kernel:
    """A Keras weight of a level's plain network, and where surgery took it from.

    Args:
        values: The weight, rank 2 or more.
        source: The name of the throttled network's weight that it is a slice of; None if that is
            not known.
        kept: For each axis the indices that were kept of the source.
    """

    values: np.ndarray
    source: str | None = None
    kept: Sequence[np.ndarray] = ()


@dataclass(frozen=True, eq=False)
class OrderedKernel:
    """A Keras kernel, its axes in TFLite's order.

    Args:
        kernel: The Keras kernel.
        axes: For each axis in TFLite, the axes in Keras that it runs over.
    """

    kernel: Kernel
    axes: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        sizes = self.kernel.values.shape
        return tuple(math.prod(sizes[k] for k in axis) for axis in self.axes)

    @property
    def array(self) -> np.ndarray:
        order = [k for axis in self.axes for k in axis]
        return self.kernel.values.transpose(order).reshape(self.shape)

    def indices_in(self, whole: OrderedKernel) -> list[np.ndarray] | None:
        """Returns where this kernel stands in that of a higher level, by what surgery kept.

        Args:
            whole: The kernel of the higher level.

        Returns:
            Indices along each axis in TFLite; None if the two are not known to be of one source, or
            if this one kept what the other did not.
        """
        own, other = self.kernel, whole.kernel
        if own.source is None or (own.source, self.axes) != (other.source, whole.axes):
            return None
        places = [
            np.flatnonzero(np.isin(all_kept, kept))
            for kept, all_kept in zip(own.kept, other.kept, strict=True)
        ]
        if [len(found) for found in places] != list(own.values.shape):
            return None
        return [_joined(axis, places, other.values.shape) for axis in self.axes]


def _joined(axis: tuple[int, ...], places: list[np.ndarray], sizes: tuple[int, ...]) -> np.ndarray:
    """Indices along an axis that runs over several."""
    indices = np.zeros(1, int)
    for k in axis:
        indices = (indices[:, None] * sizes[k] + places[k]).reshape(-1)
    return indices


def in_every_order(kernel: Kernel) -> Iterator[OrderedKernel]:
    """A Keras kernel in every order of axes that TFLite may have it in."""
    values = kernel.values
    if values.dtype != np.float32:
        return
    for keras, tflite in ORDERS:
        if values.ndim == len(keras):
            axes = (tuple(keras.index(k) for k in axis if k != "1") for axis in tflite.split())
            yield OrderedKernel(kernel, tuple(axes))
    if values.ndim == 5 and values.shape[3] == 1:  # depthwise in 2-D, tap by tap
        for tap in values:
            yield from in_every_order(Kernel(tap))


class KernelFinder:
    """Finds the Keras kernel from which a TFLite kernel was made.

    Args:
        kernels: The Keras weights of the network, rank 2 and more.
    """

    def __init__(self, kernels: Sequence[Kernel]) -> None:
        self._by_shape: dict[tuple[int, ...], list[OrderedKernel]] = defaultdict(list)
        for kernel in kernels:
            for ordered in in_every_order(kernel):
                self._by_shape[ordered.shape].append(ordered)

    def find(self, array: np.ndarray, axis: int) -> OrderedKernel | None:
        """Returns the Keras kernel, known by some numbers of each channel.

        Args:
            array: A float32 kernel of a TFLite file.
            axis: Its axis of output channels.

        Returns:
            A kernel of the same shape, to which `array` is proportional channel by channel where
            they were compared, or None if there is none.
        """
        some = _samples(array, axis)
        for kernel in self._by_shape[array.shape]:
            if _ratio(_samples(kernel.array, axis), some) is not None:
                return kernel
        return None


def _samples(array: np.ndarray, axis: int) -> np.ndarray:
    """Some numbers of each channel, `(channels, SAMPLES)` or less."""
    channels = np.moveaxis(array, axis, 0)
    size = array.size // len(channels)
    places = np.linspace(0, size - 1, min(SAMPLES, size)).astype(int)
    return channels[(slice(None), *np.unravel_index(places, channels.shape[1:]))]


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
    return _ratio(channels, others)


def _ratio(channels: np.ndarray, others: np.ndarray) -> np.ndarray | None:
    """Least squares for each channel, checked number by number."""
    squares = np.einsum("ci,ci->c", channels, channels, dtype=np.float64)
    products = np.einsum("ci,ci->c", channels, others, dtype=np.float64)
    factor = products / np.where(squares > 0, squares, 1.0)
    error = np.abs(channels * factor.astype(np.float32)[:, None] - others).max(1)
    limit = ROUNDING * np.abs(others).max(1)
    return factor if np.isfinite(factor).all() and (error <= limit).all() else None
