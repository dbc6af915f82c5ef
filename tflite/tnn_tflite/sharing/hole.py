"""A hole: a constant of a level that the plan does not store, and where it comes from instead.

An array of the source is sliced along each axis and, where the levels have batch norms of their
own, multiplied by a factor for each output channel::

    level[a, b, ...] = whole[rows(a), columns(b), ...] * factor[a]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Runs = tuple[tuple[int, int], ...]  # (start, count) of indices that follow one another

SOURCES = ("base", "level", "plan")
DTYPES = {"int8": 1, "uint8": 1, "int16": 2, "float16": 2, "int32": 4, "float32": 4, "int64": 8}
FACTORS = {"int8": ("int8",), "float32": ("float32", "float16")}  # of arrays of each type
LARGEST_RANK = 8


@dataclass(frozen=True)
class Factor:
    """What an array is multiplied by.

    Args:
        offset: Where its numbers stand in the plan's data.
        dtype: Their type.
        shape: Their shape; axes of size 1 are repeated.
    """

    offset: int
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
        source: `"base"`: sliced from the base. `"level"`: from what the level itself
            has so far. `"plan"`: stored in the plan's data as byte planes.
        offset: Where the array that it is sliced from begins in the source.
        whole: The shape of that array.
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
    def whole_bytes(self) -> int:
        """The size of the array that it is sliced from."""
        return math.prod(self.whole) * DTYPES[self.dtype]

    @property
    def read_bytes(self) -> int:
        """The bytes of the rows that the hole takes, which are read as a whole."""
        if self.take[0] is None:
            return self.whole_bytes
        return self.shape[0] * self.whole_bytes // self.whole[0]

    def record(self) -> list[Any]:
        """Returns what JSON keeps of the hole."""
        factor = self.factor and [self.factor.offset, self.factor.dtype, self.factor.shape]
        same = self.whole == self.shape and not any(self.take)
        sliced = None if same else [self.whole, self.take]
        return [self.at, self.dtype, self.shape, self.source, self.offset, sliced, factor]

    @classmethod
    def of(cls, record: Any) -> Hole:
        """Builds a hole from what JSON kept, and checks what does not depend on sizes of files.

        Raises:
            ValueError: If it is no hole.
        """
        at, dtype, shape, source, offset, sliced, factor = _list(record, 7)
        shape = _shape(shape)
        whole, take = (shape, (None,) * len(shape)) if sliced is None else _list(sliced, 2)
        hole = cls(
            at=_count(at),
            dtype=_one_of(dtype, DTYPES),
            shape=shape,
            source=_one_of(source, SOURCES),
            offset=_count(offset),
            whole=_shape(whole),
            take=take if sliced is None else _take(take),
            factor=None if factor is None else _factor(*_list(factor, 3)),
        )
        hole._check()
        return hole

    def _check(self) -> None:
        if not len(self.shape) == len(self.whole) == len(self.take):
            raise ValueError("axes that do not agree")
        for size, whole, runs in zip(self.shape, self.whole, self.take, strict=True):
            taken = whole if runs is None else sum(count for _, count in runs)
            last = 0 if runs is None else max(start + count for start, count in runs)
            if taken != size or last > whole:
                raise ValueError(f"{taken} indices up to {last} for {size} of {whole}")
        if self.factor is not None:
            self._check_factor(self.factor)

    def _check_factor(self, factor: Factor) -> None:
        sizes_fit = len(factor.shape) == len(self.shape) and all(
            size in (1, own) for size, own in zip(factor.shape, self.shape, strict=True)
        )
        if not sizes_fit or factor.dtype not in FACTORS.get(self.dtype, ()):
            raise ValueError(f"a factor {factor.dtype}{factor.shape} for {self.dtype}{self.shape}")


def _factor(offset: Any, dtype: Any, shape: Any) -> Factor:
    return Factor(_count(offset), _one_of(dtype, DTYPES), _shape(shape))


def _take(value: Any) -> tuple[Runs | None, ...]:
    if not isinstance(value, list):
        raise ValueError("no list of index lists")
    return tuple(map(_runs, value))


def _runs(value: Any) -> Runs | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise ValueError("no list of runs")
    runs = tuple((_count(start), _count(count)) for start, count in (_list(v, 2) for v in value))
    if any(count < 1 for _, count in runs):
        raise ValueError("an empty run")
    return runs


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= LARGEST_RANK:
        raise ValueError("no shape")
    sizes = tuple(map(_count, value))
    if 0 in sizes:
        raise ValueError("an empty shape")
    return sizes


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**48:
        raise ValueError("no count")
    return value


def _one_of(value: Any, values: Any) -> str:
    if not isinstance(value, str) or value not in values:
        raise ValueError(f"none of {', '.join(values)}")
    return value


def _list(value: Any, length: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != length:
        raise ValueError(f"no list of {length}")
    return value
