"""A hole: a constant of a level that the plan does not store, and where it comes from instead.

An array of the source is sliced along each axis and, where the levels have batch norms of their
own, multiplied by a factor for each output channel::

    level[a, b, ...] = whole[rows(a), columns(b), ...] * factor[a]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Runs = tuple[tuple[int, int], ...]  # (start, count) of indices that follow one another

SOURCES = ("base", "level", "plan")
DTYPES = {"int8": 1, "uint8": 1, "int16": 2, "float16": 2, "int32": 4, "float32": 4, "int64": 8}
FACTORS = {"int8": ("int8",), "float32": ("float32", "float16")}  # of arrays of each type


@dataclass(frozen=True)
class Factor:
    """What an array is multiplied by: numbers of the plan's data.

    Args:
        dtype: Their type.
        shape: Their shape; axes of size 1 are repeated.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its size in the plan's data."""
        return math.prod(self.shape) * DTYPES[self.dtype]


@dataclass(frozen=True)
class Hole:
    """One array of a level.

    Args:
        at: Where it stands in the level's file.
        dtype: The type of its elements, little-endian.
        shape: Its shape.
        source: `"base"`: sliced from the base. `"level"`: from another hole of the level, which
            is not of that source itself. `"plan"`: stored in the plan's data as byte planes.
        offset: Of source "base", where the array that it is sliced from begins; of "level", the
            number of the other hole in the order of the level's file; of "plan", 0.
        whole: The shape of the array that it is sliced from.
        take: The indices that it takes along each axis, None for all.
        factor: What the slice is multiplied by, or None.
    """

    at: int
    dtype: str
    shape: tuple[int, ...]
    source: str
    offset: int
    whole: tuple[int, ...]
    take: tuple[Runs | None, ...]
    factor: Factor | None = None

    @property
    def bytes(self) -> int:
        """Its size in the level's file."""
        return math.prod(self.shape) * DTYPES[self.dtype]

    @property
    def end(self) -> int:
        """Where it ends in the level's file."""
        return self.at + self.bytes

    @property
    def whole_bytes(self) -> int:
        """The size of the array that it is sliced from."""
        return math.prod(self.whole) * DTYPES[self.dtype]

    @property
    def read_bytes(self) -> int:
        """The bytes of the rows that the hole takes, which are read as a whole."""
        if self.take[0] is None:
            return self.whole_bytes
        return self.shape[0] * self.whole_bytes // self.whole[0]

    @property
    def data_bytes(self) -> int:
        """The size of what it reads from the plan's data."""
        if self.source == "plan":
            return self.bytes
        return 0 if self.factor is None else self.factor.bytes

    def check(self) -> None:
        """Checks what does not depend on sizes of files.

        Raises:
            ValueError: If the parts do not fit one another.
        """
        if not len(self.shape) == len(self.whole) == len(self.take):
            raise ValueError("axes that do not agree")
        for size, whole, runs in zip(self.shape, self.whole, self.take, strict=True):
            taken = whole if runs is None else sum(count for _, count in runs)
            last = 0 if runs is None else max(start + count for start, count in runs)
            if taken != size or last > whole:
                raise ValueError(f"{taken} indices up to {last} for {size} of {whole}")
        if self.source == "plan" and (self.factor or self.whole != self.shape or any(self.take)):
            raise ValueError("stored numbers that are sliced or multiplied")
        if self.factor is not None:
            self._check_factor(self.factor)

    def _check_factor(self, factor: Factor) -> None:
        sizes_fit = len(factor.shape) == len(self.shape) and all(
            size in (1, own) for size, own in zip(factor.shape, self.shape, strict=True)
        )
        if not sizes_fit or factor.dtype not in FACTORS.get(self.dtype, ()):
            raise ValueError(f"a factor {factor.dtype}{factor.shape} for {self.dtype}{self.shape}")
