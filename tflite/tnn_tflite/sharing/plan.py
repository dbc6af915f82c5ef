"""The plan behind the base of a shared file: its bytes, written and read.

A shared file is::

    base      a complete TFLite file
    plan      one zlib stream
    footer    size of the base, size of the plan when inflated (two uint64), number of levels
              (uint32), b"TNN1"

Levels are alike, so they share the stream, and in it what is alike stands close together::

    sizes     for each level, of its header, its literal and its data (three uint32)
    headers   for each level: its holes as JSON, see `columns`
    literals  of all levels, interleaved, see `interleaved`
    data      for each level: what its holes read, in the order of its file, as byte planes

All numbers are little-endian, all sizes are in bytes. A literal is a level's file without its
holes. It is put in place first; then the holes are filled, those that copy another hole last. A
level whose header has size 0 is the base itself.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tnn_tflite.sharing.columns import from_columns, to_columns
from tnn_tflite.sharing.hole import Hole
from tnn_tflite.sharing.interleaved import interleave, pick

MAGIC = b"TNN1"
FOOTER = struct.Struct("<QQI4s")
SIZES = struct.Struct("<III")
LARGEST_HEADER = 8 * 1024 * 1024  # bytes; 1,000 holes need about a hundredth of it
LARGEST_PLAN = 64 * 1024 * 1024  # bytes beyond twice the base; a level of MobileNetV2 needs 0.2 MB
MOST_LEVELS = 1024
MOST_READ = 16  # bytes read for a level, over the size of the base; a good plan reads less than one


@dataclass(frozen=True)
class Entry:
    """The plan of one level.

    Args:
        holes: The arrays that come from elsewhere, in the order of the level's file.
        literal: All other bytes of the level's file, one after another.
        data: The numbers that holes read, in the order of the holes.
    """

    holes: tuple[Hole, ...]
    literal: bytes
    data: bytes | memoryview

    def with_data(self) -> Iterator[tuple[Hole, bytes | memoryview]]:
        """Each hole with what it reads from the data."""
        used = 0
        for hole in self.holes:
            yield hole, self.data[used : used + hole.data_bytes]
            used += hole.data_bytes


def with_plan(base: bytes, entries: Sequence[Entry | None]) -> bytes:
    """Returns a shared file.

    Args:
        base: A TFLite file.
        entries: The plan of each level; None for a level that is the base.
    """
    headers = [b"" if entry is None else _header(entry) for entry in entries]
    literals = [b"" if entry is None else entry.literal for entry in entries]
    data = [b"" if entry is None else entry.data for entry in entries]
    sizes = [SIZES.pack(*map(len, parts)) for parts in zip(headers, literals, data, strict=True)]
    plan = b"".join((*sizes, *headers, interleave(literals), *data))
    if len(plan) > LARGEST_PLAN + 2 * len(base) or len(entries) > MOST_LEVELS:
        raise ValueError(
            f"Invalid value for `entries`. Expected at most {MOST_LEVELS} levels whose plan has at "
            f"most {LARGEST_PLAN} bytes and twice the base. Received: {len(entries)} levels, "
            f"{len(plan)} bytes. Write the bundle with layout='files'"
        )
    footer = FOOTER.pack(len(base), len(plan), len(entries), MAGIC)
    return b"".join((base, zlib.compress(plan, 9), footer))


def _header(entry: Entry) -> bytes:
    header = json.dumps(to_columns(entry.holes), separators=(",", ":")).encode()
    if len(header) > LARGEST_HEADER:
        raise ValueError(
            f"Invalid value for `entries`. Expected at most {LARGEST_HEADER} bytes that say how "
            f"a level is cut. Received: {len(header)}. Write the bundle with layout='files'"
        )
    return header


def read_base_size(file: BinaryIO) -> int:
    """Returns the size of a shared file's base in bytes.

    Raises:
        ValueError: If the file has no plan.
    """
    return _read_footer(file)[0]


def read_entry(file: BinaryIO, index: int, level_size: int) -> Entry | None:
    """Reads the plan of one level and checks all that it says.

    Args:
        file: A shared file.
        index: The level's place in the manifest.
        level_size: The size of the level's own file in bytes.

    Returns:
        The plan, or None if the level is the base.

    Raises:
        ValueError: If there is no plan, or it is not one that fits the file and the level.
    """
    base_size, plan_size, count, stream_size = _read_footer(file)
    if index >= count:
        raise ValueError(f"a plan of {count} levels, asked for number {index}")
    if plan_size > LARGEST_PLAN + 2 * base_size or count > MOST_LEVELS:
        raise ValueError(f"a plan of {plan_size} bytes for {count} levels")
    file.seek(base_size)
    entry = _parsed(_inflated(_read(file, stream_size), plan_size), count, index)
    if entry is not None:
        _check_places(entry, base_size, level_size)
    return entry


def _read_footer(file: BinaryIO) -> tuple[int, int, int, int]:
    """Sizes of the base and of the inflated plan, number of levels, size of the plan's stream."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - FOOTER.size))
    footer = file.read(FOOTER.size)
    if len(footer) < FOOTER.size:
        raise ValueError("a file without a plan")
    base_size, plan_size, count, magic = FOOTER.unpack(footer)
    stream_size = end - FOOTER.size - base_size
    if magic != MAGIC or stream_size < 0:
        raise ValueError("a file without a plan")
    return base_size, plan_size, count, stream_size


def _read(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise ValueError("a file that was cut off")
    return content


def _inflated(stream: bytes, size: int) -> memoryview:
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(stream, size + 1)
    except zlib.error as error:
        raise ValueError(f"a damaged stream ({error})") from error
    if len(content) != size or not inflate.eof:
        raise ValueError("a stream of another size than promised")
    return memoryview(content)


def _parsed(plan: memoryview, count: int, index: int) -> Entry | None:
    start = count * SIZES.size
    if len(plan) < start:
        raise ValueError("a plan without sizes")
    headers, literals, data = zip(*SIZES.iter_unpack(plan[:start]), strict=True)
    if start + sum(headers) + sum(literals) + sum(data) != len(plan):
        raise ValueError("sizes that do not add up to the plan")
    if headers[index] == 0:
        return None
    if headers[index] > LARGEST_HEADER:
        raise ValueError(f"a header of {headers[index]} bytes")
    literals_at = start + sum(headers)
    data_at = literals_at + sum(literals)
    return Entry(
        _holes(_part(plan[start:], headers, index)),
        pick(plan[literals_at:data_at], literals, index),
        _part(plan[data_at:], data, index),
    )


def _part(content: memoryview, sizes: Sequence[int], index: int) -> memoryview:
    start = sum(sizes[:index])
    return content[start : start + sizes[index]]


def _holes(header: memoryview) -> tuple[Hole, ...]:
    try:
        return from_columns(json.loads(bytes(header)))
    except RecursionError as error:
        raise ValueError("a header that does not parse") from error


def _check_places(entry: Entry, base_size: int, level_size: int) -> None:
    """Nothing is read or written outside of what is there, and nothing is left out."""
    holes = entry.holes
    for hole in holes:
        if hole.source == "base" and hole.offset + hole.whole_bytes > base_size:
            raise ValueError(f"a hole at {hole.at} whose source does not fit")
        if hole.source == "level":
            other = holes[hole.offset] if hole.offset < len(holes) else hole
            if other.source == "level" or other.bytes != hole.whole_bytes:
                raise ValueError(f"a hole at {hole.at} whose source does not fit")
    if sum(hole.read_bytes for hole in holes if hole.source == "base") > MOST_READ * base_size:
        raise ValueError("holes that read too much")
    if sum(hole.data_bytes for hole in holes) != len(entry.data):
        raise ValueError("holes that do not read all of the data")
    end = holes[-1].end if holes else 0
    if end > level_size or len(entry.literal) + sum(h.bytes for h in holes) != level_size:
        raise ValueError("holes and literal that do not add up to the level")
