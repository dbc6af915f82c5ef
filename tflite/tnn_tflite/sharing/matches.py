"""Which constants of a level are slices of which constants of the full level.

Surgery knows what it kept of a kernel. Where it tells, that is verified, which takes one
comparison. Biases with norms folded in, levels of a mapping and the like are searched by value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from tnn_tflite.sharing.constants import KERNEL_OPERATORS, LocatedTensor, TFLiteFile
from tnn_tflite.sharing.kernels import Kernel, KernelFinder, OrderedKernel, factor_between
from tnn_tflite.sharing.slices import Whole, same_bits

SMALLEST = 128  # bytes; less is stored as it is


@dataclass(frozen=True, eq=False)
class Original:
    """A constant, and the Keras kernel behind it.

    Args:
        tensor: The constant.
        axis: Its axis of output channels if it is a kernel, else None.
        kernel: The Keras kernel, in which slices are exact, or None.
    """

    tensor: LocatedTensor
    axis: int | None = None
    kernel: OrderedKernel | None = None

    @property
    def array(self) -> np.ndarray:
        return self.tensor.constant.array

    @cached_property
    def values(self) -> Whole:
        return Whole(self.array if self.kernel is None else self.kernel.array)


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


def originals(file: TFLiteFile, kernels: Sequence[Kernel]) -> list[Original]:
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
            found[place.at] = Original(tensor)
            uses = graph.uses.get(tensor.number)
            if uses and tensor.type == "float32":
                axis = KERNEL_OPERATORS[uses[0].operator]
                kernel = finder.find(place.array, axis)
                if kernel is not None:
                    found[place.at] = Original(tensor, axis, kernel)
    return list(found.values())


def matches(parts: Sequence[Original], wholes: Sequence[Original]) -> Iterator[Match]:
    """Finds for each constant of a level the full level's constant that it is a slice of.

    Args:
        parts: The level's constants.
        wholes: The full level's.
    """
    for part in parts:
        # All are tried by what surgery kept before one is searched, which sorts its numbers.
        found = chain(
            (match_of(part, whole, traced(part, whole)) for whole in wholes),
            (match_of(part, whole, searched(part, whole)) for whole in wholes),
        )
        match = next((match for match in found if match is not None), None)
        if match is not None:
            yield match


def traced(part: Original, whole: Original) -> list[np.ndarray] | None:
    """Where surgery says that one constant stands in another along each axis, or None."""
    if part.kernel is None or whole.kernel is None:
        return None
    return part.kernel.indices_in(whole.kernel)


def searched(part: Original, whole: Original) -> list[np.ndarray] | None:
    """Where the numbers of one constant stand in another along each axis, or None."""
    return whole.values.find(part.values.array) if part.axis == whole.axis else None


def match_of(part: Original, whole: Original, indices: list[np.ndarray] | None) -> Match | None:
    """Returns how one constant is a slice of another, or None if it is not.

    Args:
        part, whole: The constants.
        indices: Where it may stand along each axis, None for nowhere.
    """
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
