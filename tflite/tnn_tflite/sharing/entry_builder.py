"""The plan of one level, collected hole by hole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tnn_tflite.sharing.byte_planes import to_planes
from tnn_tflite.sharing.constants import Located
from tnn_tflite.sharing.hole import Factor, Hole
from tnn_tflite.sharing.plan import Entry
from tnn_tflite.sharing.slices import runs_of


class EntryBuilder:
    """Collects the holes of a level's file.

    Args:
        content: The level's file. What is no hole in the end is taken from it.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._holes: dict[int, Hole] = {}
        self._data: dict[int, bytes] = {}

    def __contains__(self, place: Located) -> bool:
        return place.at in self._holes

    def copy(self, place: Located, source_at: int) -> None:
        """Fills an array with bytes of the base, as they are."""
        shape = (place.array.nbytes,)
        self._add(Hole(place.at, "uint8", shape, "base", source_at, shape, (None,)))

    def store(self, place: Located, values: np.ndarray) -> None:
        """Fills an array with values that the plan keeps."""
        shape = (values.size,)
        self._add(Hole(place.at, values.dtype.name, shape, "plan", 0, shape, (None,)), values)

    def take(
        self,
        place: Located,
        whole: Located,
        indices: Sequence[np.ndarray] | None = None,
        factor: np.ndarray | None = None,
        source: str = "base",
    ) -> None:
        """Fills an array with a slice of another one.

        Args:
            place: Where it stands in the level's file.
            whole: The array that it is sliced from.
            indices: The indices along each axis, None for all.
            factor: What the slice is multiplied by, None for nothing.
            source: `"base"` or `"level"`: where `whole` stands. In a level it is a hole too.
        """
        array = whole.array
        if indices is None:
            indices = [np.arange(size) for size in array.shape]
        take = tuple(
            None if np.array_equal(axis, np.arange(size)) else runs_of(axis)
            for axis, size in zip(indices, array.shape, strict=True)
        )
        hole = Hole(
            at=place.at,
            dtype=array.dtype.name,
            shape=tuple(len(axis) for axis in indices),
            source=source,
            offset=whole.at,
            whole=array.shape,
            take=take,
            factor=None if factor is None else Factor(factor.dtype.name, factor.shape),
        )
        self._add(hole, factor)

    def build(self) -> Entry:
        """Returns the plan."""
        holes = [self._holes[at] for at in sorted(self._holes)]
        ends = [0, *(hole.end for hole in holes)]
        places = [*(hole.at for hole in holes), len(self._content)]
        return Entry(
            holes=tuple(_numbered(hole, places) for hole in holes),
            literal=b"".join(self._content[end:at] for end, at in zip(ends, places, strict=True)),
            data=b"".join(self._data.get(hole.at, b"") for hole in holes),
        )

    def _add(self, hole: Hole, values: np.ndarray | None = None) -> None:
        self._holes[hole.at] = hole
        if values is not None:
            self._data[hole.at] = to_planes(values.astype(values.dtype.newbyteorder("<")))


def _numbered(hole: Hole, places: list[int]) -> Hole:
    """A hole that copies another one knows it by its number, not by its place."""
    if hole.source != "level":
        return hole
    return replace(hole, offset=places.index(hole.offset))
