"""The plan of one level, collected hole by hole."""

from __future__ import annotations

from collections.abc import Sequence

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
        self._data: list[bytes] = []
        self._data_size = 0

    def __contains__(self, place: Located) -> bool:
        return place.at in self._holes

    def copy(self, place: Located, source_at: int) -> None:
        """Fills an array with bytes of the base, as they are."""
        self._add(place, "uint8", (place.array.nbytes,), "base", source_at)

    def store(self, place: Located, values: np.ndarray) -> None:
        """Fills an array with values that the plan keeps."""
        self._add(place, values.dtype.name, (values.size,), "plan", self._keep(values))

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
            source: `"base"` or `"level"`: where `whole` stands.
        """
        array = whole.array
        if indices is None:
            indices = [np.arange(size) for size in array.shape]
        take = tuple(
            None if np.array_equal(axis, np.arange(size)) else runs_of(axis)
            for axis, size in zip(indices, array.shape, strict=True)
        )
        if factor is not None:
            factor = Factor(self._keep(factor), factor.dtype.name, factor.shape)
        shape = tuple(len(axis) for axis in indices)
        self._add(place, array.dtype.name, shape, source, whole.at, array.shape, take, factor)

    def build(self) -> Entry:
        """Returns the plan."""
        pieces, end = [], 0
        for hole in sorted(self._holes.values(), key=lambda hole: hole.at):
            pieces.append(self._content[end : hole.at])
            end = hole.at + hole.bytes
        pieces.append(self._content[end:])
        return Entry(tuple(self._holes.values()), b"".join(pieces), b"".join(self._data))

    def _add(
        self,
        place: Located,
        dtype: str,
        shape: tuple[int, ...],
        source: str,
        offset: int,
        whole: tuple[int, ...] | None = None,
        take: tuple | None = None,
        factor: Factor | None = None,
    ) -> None:
        hole = Hole(
            at=place.at,
            dtype=dtype,
            shape=shape,
            source=source,
            offset=offset,
            whole=shape if whole is None else whole,
            take=(None,) * len(shape) if take is None else take,
            factor=factor,
        )
        self._holes[place.at] = hole

    def _keep(self, values: np.ndarray) -> int:
        offset = self._data_size
        self._data.append(to_planes(values.astype(values.dtype.newbyteorder("<"))))
        self._data_size += values.nbytes
        return offset
