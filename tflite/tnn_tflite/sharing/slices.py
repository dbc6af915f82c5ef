"""Which part of a larger array a smaller one is, found by its values.

A cut network holds exact copies of some rows and columns of the whole network's kernels, and the
numbers of a trained kernel are nearly all different: so a few of them tell where they came from.
What was found is verified: equal numbers can hide a slice, and never invent one.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tnn_tflite.sharing.hole import Runs

LINES = 8  # lines through an array whose numbers are looked up
SEVERAL = 4  # places where a number may stand and still tell something


class Whole:
    """An array in which parts are searched.

    Args:
        array: Any numbers, rank 1 or more.
    """

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def find(self, part: np.ndarray) -> list[np.ndarray] | None:
        """Returns the indices along each axis at which `part` stands.

        Args:
            part: An array of the same rank.

        Returns:
            Indices such that `array[np.ix_(*indices)]` is `part`, bit by bit; None if there
            are none.

        Example:

        >>> indices = Whole(np.arange(12).reshape(3, 4)).find(np.array([[4, 6], [8, 10]]))
        >>> [axis.tolist() for axis in indices]
        [[1, 2], [0, 2]]
        """
        array = self.array
        if part.ndim != array.ndim or part.dtype != array.dtype or not part.size:
            return None
        if any(size > whole for size, whole in zip(part.shape, array.shape, strict=True)):
            return None
        if not self._has_some_of(part):
            return None
        indices = [self._indices(part, axis) for axis in range(part.ndim)]
        return indices if same_bits(array[np.ix_(*indices)], part) else None

    def _has_some_of(self, part: np.ndarray) -> bool:
        """A quick test that turns away most arrays of other layers."""
        some = _bits(part).reshape(-1)[:: max(1, part.size // 16)]
        return bool(np.isin(some, self._values[self._places(some)]).all())

    def _indices(self, part: np.ndarray, axis: int) -> np.ndarray:
        """For each index of the part the one at which most of its numbers stand."""
        count, size = part.shape[axis], self.array.shape[axis]
        if count == size:
            return np.arange(size)
        lines = np.moveaxis(part, axis, 0).reshape(count, -1)
        chosen = np.linspace(0, lines.shape[1] - 1, min(LINES, lines.shape[1])).astype(int)
        votes = np.concatenate([self._votes(lines[:, k], axis) for k in chosen], axis=1)
        indices = np.empty(count, int)
        for i, row in enumerate(votes):
            row = row[row >= 0]
            # Numbers that tell nothing, such as zeros: most likely the next in row.
            expected = min(int(indices[i - 1]) + 1, size - 1) if i else 0
            indices[i] = np.bincount(row).argmax() if row.size else expected
        return indices

    def _votes(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Where numbers stand along an axis: `(values, SEVERAL)`, -1 where there is no more."""
        bits = _bits(values)[:, None]
        places = self._places(bits) + np.arange(SEVERAL + 1)
        inside = places < self._values.size
        places = np.where(inside, places, 0)
        found = inside & (self._values[places] == bits)
        found &= ~found[:, -1:]  # a number that stands everywhere tells nothing
        coordinates = np.unravel_index(self._order[places], self.array.shape)[axis]
        return np.where(found, coordinates, -1)

    def _places(self, bits: np.ndarray) -> np.ndarray:
        return np.minimum(np.searchsorted(self._values, bits), self._values.size - 1)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(_bits(self.array).reshape(-1), kind="stable")

    @cached_property
    def _values(self) -> np.ndarray:
        return _bits(self.array).reshape(-1)[self._order]


def runs_of(indices: np.ndarray) -> Runs:
    """Returns indices as (start, count) of those that follow one another.

    >>> runs_of(np.array([0, 1, 2, 7, 8, 3]))
    ((0, 3), (7, 2), (3, 1))
    """
    starts = np.flatnonzero(np.diff(indices, prepend=indices[0] - 2) != 1)
    counts = np.diff(starts, append=len(indices))
    return tuple((int(indices[s]), int(n)) for s, n in zip(starts, counts, strict=True))


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays of a type are equal bit by bit: NaN is itself, -0.0 is not 0.0."""
    return one.shape == other.shape and bool(np.array_equal(_bits(one), _bits(other)))


def _bits(array: np.ndarray) -> np.ndarray:
    """The numbers as integers: all of them can be compared and sorted."""
    return np.ascontiguousarray(array).view(f"i{array.itemsize}")
