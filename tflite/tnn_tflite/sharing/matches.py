"""Which constants of a level are slices of which constants of the full level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tnn_tflite.sharing.constants import KERNEL_OPERATORS, LocatedTensor, TFLiteFile
from tnn_tflite.sharing.kernels import KernelFinder, factor_between
from tnn_tflite.sharing.slices import Whole, same_bits

SMALLEST = 128  # bytes; less is stored as it is


@dataclass(frozen=True, eq=False)
class Original:
    """A constant and the numbers in which its slices are exact.

    Args:
        tensor: The constant.
        values: The Keras kernel behind it, or its own numbers.
        axis: Its axis of output channels if it is a kernel, else None.
    """

    tensor: LocatedTensor
    values: Whole
    axis: int | None

    @property
    def array(self) -> np.ndarray:
        return self.tensor.constant.array


@dataclass(frozen=True, eq=False)
class Match:
    """A constant of a level that is a slice of one of the full level.

    Args:
        part: The level's constant.
        whole: The full level's.
        indices: The indices of the slice along each axis.
        axis: The axis of output channels, None where there is no factor.
        factor: What each channel of the slice is multiplied by, `(channels,)`; None where the
            slice is exact.
    """

    part: LocatedTensor
    whole: LocatedTensor
    indices: list[np.ndarray]
    axis: int | None
    factor: np.ndarray | None


def originals(file: TFLiteFile, kernels: Sequence[np.ndarray]) -> list[Original]:
    """Returns the constants of a float32 file, each buffer once.

    Args:
        file: The file.
        kernels: The Keras weights of its network, rank 2 and more.
    """
    finder, found = KernelFinder(kernels), {}
    for graph in file.graphs:
        for tensor in graph.tensors:
            place = tensor.constant
            if place is None or not tensor.shape or place.array.nbytes < SMALLEST:
                continue
            uses, values, axis = graph.uses.get(tensor.number), None, None
            if uses and tensor.type == "float32":
                axis = KERNEL_OPERATORS[uses[0].operator]
                values = finder.find(place.array, axis)
            if values is None:
                values, axis = place.array, None
            found[place.at] = Original(tensor, Whole(values), axis)
    return list(found.values())


def matches(parts: Sequence[Original], wholes: Sequence[Original]) -> Iterator[Match]:
    """Finds for each constant of a level the full level's constant that it is a slice of.

    Args:
        parts: The level's constants.
        wholes: The full level's.
    """
    for part in parts:
        found = (match_of(part, whole) for whole in wholes)
        match = next((match for match in found if match is not None), None)
        if match is not None:
            yield match


def match_of(part: Original, whole: Original) -> Match | None:
    """Returns how one constant is a slice of another, or None if it is not."""
    if part.axis != whole.axis:
        return None
    indices = whole.values.find(part.values.array)
    if indices is None:
        return None
    sliced = whole.array[np.ix_(*indices)]
    if same_bits(sliced, part.array):
        return Match(part.tensor, whole.tensor, indices, part.axis, None)
    if part.axis is None:
        return None
    factor = factor_between(sliced, part.array, part.axis)
    if factor is None:
        return None
    return Match(part.tensor, whole.tensor, indices, part.axis, factor)
