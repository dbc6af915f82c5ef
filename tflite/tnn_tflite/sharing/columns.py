"""The holes of a level as JSON: seven columns, so that what is alike stands together.

Each column has an entry for each hole, in the order of the level's file::

    gap       bytes between the hole before and this one
    dtype     type of its elements
    shape     its shape
    source    "base", "level" or "plan"
    offset    see `hole.Hole`
    sliced    null if it is taken whole, else [whole, take]: `take` has for each axis null or
              runs [start, count]
    factor    null or [dtype, shape]
"""

from collections.abc import Sequence
from typing import Any

from tnn_tflite.sharing.hole import DTYPES, SOURCES, Factor, Hole, Runs

COLUMNS = 7
LARGEST_RANK = 8


def to_columns(holes: Sequence[Hole]) -> list[list[Any]]:
    """Returns the columns.

    Args:
        holes: In the order of the level's file.
    """
    records, end = [], 0
    for hole in holes:
        same = hole.whole == hole.shape and not any(hole.take)
        sliced = None if same else [hole.whole, hole.take]
        factor = hole.factor and [hole.factor.dtype, hole.factor.shape]
        gap, end = hole.at - end, hole.end
        records.append((gap, hole.dtype, hole.shape, hole.source, hole.offset, sliced, factor))
    return [[record[k] for record in records] for k in range(COLUMNS)]


def from_columns(columns: Any) -> tuple[Hole, ...]:
    """Builds the holes, and checks what does not depend on sizes of files.

    Args:
        columns: What JSON kept.

    Raises:
        ValueError: If they are no holes.
    """
    holes, end = [], 0
    for gap, dtype, shape, source, offset, sliced, factor in _rows(columns):
        shape = _shape(shape)
        whole, take = (shape, [None] * len(shape)) if sliced is None else _list(sliced, 2)
        hole = Hole(
            at=end + _count(gap),
            dtype=_one_of(dtype, DTYPES),
            shape=shape,
            source=_one_of(source, SOURCES),
            offset=_count(offset),
            whole=_shape(whole),
            take=_take(take),
            factor=None if factor is None else _factor(*_list(factor, 2)),
        )
        hole.check()
        holes.append(hole)
        end = hole.end
    return tuple(holes)


def _rows(columns: Any) -> list[tuple[Any, ...]]:
    columns = _list(columns, COLUMNS)
    if not all(isinstance(column, list) for column in columns):
        raise ValueError("no columns")
    return list(zip(*columns, strict=True))


def _factor(dtype: Any, shape: Any) -> Factor:
    return Factor(_one_of(dtype, DTYPES), _shape(shape))


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
