"""The plan behind the base of a shared file: its bytes, written and read.

A shared file is::

    base      a complete TFLite file
    entries   for each level one zlib stream, in the order of the manifest
    table     for each level: size of its stream, and size of what is in it (two uint64)
    footer    size of the base (uint64), number of levels (uint32), b"TNN1"

All numbers are little-endian. A level whose stream has size 0 is the base itself. What is in a
stream::

    length    of the header (uint32)
    header    JSON: [size of the literal, [hole, hole, ...]]
    literal   the level's file without its holes
    data      numbers that holes read, as byte planes

A hole is `[at, dtype, shape, source, offset, sliced, factor]`, see `hole.Hole`: `sliced` is null or
`[whole, take]`, where `take` has for each axis null or runs `[start, count]`; `factor` is null or
`[offset, dtype, shape]`. The literal is put in place first; then the holes are filled in the order
of the list, in which one may read what another one wrote. Sizes and offsets are in bytes.
"""

import json
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tnn_tflite.sharing.hole import Hole

MAGIC = b"TNN1"
FOOTER = struct.Struct("<QI4s")
ROW = struct.Struct("<QQ")
LENGTH = struct.Struct("<I")
LARGEST_HEADER = 8 * 1024 * 1024  # bytes; 1,000 holes need about a hundredth of it
MOST_READ = 16  # bytes read for a level, over the size of the base; a good plan reads less than one


@dataclass(frozen=True)
class Entry:
    """The plan of one level.

    Args:
        holes: The arrays that come from elsewhere, in the order in which they are filled.
        literal: All other bytes of the level's file, one after another.
        data: The numbers that holes read.
    """

    holes: tuple[Hole, ...]
    literal: bytes | memoryview
    data: bytes | memoryview

    def in_file_order(self) -> list[Hole]:
        """The holes by their place in the level's file."""
        return sorted(self.holes, key=lambda hole: hole.at)


def with_plan(base: bytes, entries: Sequence[Entry | None]) -> bytes:
    """Returns a shared file.

    Args:
        base: A TFLite file.
        entries: The plan of each level; None for a level that is the base.
    """
    streams, table = [], []
    for entry in entries:
        content = b"" if entry is None else _packed(entry)
        stream = zlib.compress(content, 9) if content else b""
        streams.append(stream)
        table.append(ROW.pack(len(stream), len(content)))
    footer = FOOTER.pack(len(base), len(entries), MAGIC)
    return b"".join((base, *streams, *table, footer))


def _packed(entry: Entry) -> bytes:
    records = [hole.record() for hole in entry.holes]
    header = json.dumps([len(entry.literal), records], separators=(",", ":")).encode()
    if len(header) > LARGEST_HEADER:
        raise ValueError(
            f"Invalid value for `entries`. Expected at most {LARGEST_HEADER} bytes that say how "
            f"a level is cut. Received: {len(header)}. Write the bundle with layout='files'"
        )
    return b"".join((LENGTH.pack(len(header)), header, entry.literal, entry.data))


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
    base_size, count, table_at = _read_footer(file)
    if index >= count:
        raise ValueError(f"a plan of {count} levels, asked for number {index}")
    file.seek(table_at)
    rows = list(ROW.iter_unpack(_read(file, count * ROW.size)))
    stream_at = base_size + sum(size for size, _ in rows[:index])
    stream_size, content_size = rows[index]
    if stream_at + stream_size > table_at or content_size > LARGEST_HEADER + 2 * level_size:
        raise ValueError(f"a stream of {stream_size} bytes with {content_size} in it")
    if stream_size == 0:
        return None
    file.seek(stream_at)
    return _parsed(_inflated(_read(file, stream_size), content_size), base_size, level_size)


def _read_footer(file: BinaryIO) -> tuple[int, int, int]:
    """The size of the base, the number of levels, and where the table begins."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - FOOTER.size))
    footer = file.read(FOOTER.size)
    if len(footer) < FOOTER.size:
        raise ValueError("a file without a plan")
    base_size, count, magic = FOOTER.unpack(footer)
    table_at = end - FOOTER.size - count * ROW.size
    if magic != MAGIC or base_size > table_at:
        raise ValueError("a file without a plan")
    return base_size, count, table_at


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


def _parsed(content: memoryview, base_size: int, level_size: int) -> Entry:
    if len(content) < LENGTH.size:
        raise ValueError("a stream without a header")
    (length,) = LENGTH.unpack(content[: LENGTH.size])
    if length > min(LARGEST_HEADER, len(content) - LENGTH.size):
        raise ValueError(f"a header of {length} bytes")
    end = LENGTH.size + length
    try:
        header = json.loads(bytes(content[LENGTH.size : end]))
    except RecursionError as error:
        raise ValueError("a header that does not parse") from error
    if not isinstance(header, list) or len(header) != 2 or not isinstance(header[1], list):
        raise ValueError("a header of another form")
    literal_size, records = header
    if isinstance(literal_size, bool) or not isinstance(literal_size, int) or literal_size < 0:
        raise ValueError("a literal without a size")
    literal, data = content[end : end + literal_size], content[end + literal_size :]
    entry = Entry(tuple(map(Hole.of, records)), literal, data)
    _check_places(entry, base_size, level_size)
    return entry


def _check_places(entry: Entry, base_size: int, level_size: int) -> None:
    """Nothing is read or written outside of what is there, and nothing is left out."""
    limits = {"base": base_size, "level": level_size, "plan": len(entry.data)}
    for hole in entry.holes:
        if hole.offset + hole.whole_bytes > limits[hole.source]:
            raise ValueError(f"a hole at {hole.at} whose source does not fit")
        if hole.factor and hole.factor.offset + hole.factor.bytes > len(entry.data):
            raise ValueError(f"a hole at {hole.at} whose factor does not fit")
    if sum(h.read_bytes for h in entry.holes if h.source == "base") > MOST_READ * base_size:
        raise ValueError("holes that read too much")
    end = 0
    for hole in entry.in_file_order():
        if hole.at < end:
            raise ValueError(f"holes that overlap at {hole.at}")
        end = hole.at + hole.bytes
    if end > level_size or len(entry.literal) + sum(h.bytes for h in entry.holes) != level_size:
        raise ValueError("holes and literal that do not add up to the level")
