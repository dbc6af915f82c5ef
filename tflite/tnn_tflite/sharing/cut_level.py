"""Cutting a level out of a shared file: what a device does when it first needs the level."""

import io
import math
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from tnn_tflite.errors import BundleError
from tnn_tflite.sharing.byte_planes import from_planes
from tnn_tflite.sharing.hole import Hole, Runs
from tnn_tflite.sharing.plan import Entry, read_base_size, read_entry

LARGEST_READ = 2 * 1024 * 1024  # bytes of the base that are in memory at once, or one row


def cut_level(file: BinaryIO, index: int, size: int, name: str = "the shared file") -> bytes:
    """Returns a level's own TFLite file.

    What a plan says is checked and never trusted; that the result is the level's file is told
    by its hash alone. Beside the result some 5 MB of memory are taken, and only the rows of the
    base that the level has are read.

    Args:
        file: The shared file, open for reading. Written anew while it is read it gives wrong
            bytes, but no crash as a mapped file would.
        index: The level's place in the manifest.
        size: The size of the level's own file in bytes.
        name: Where the file is, for error messages.

    Returns:
        Exactly `size` bytes.

    Raises:
        BundleError: If the file has no plan for such a level.
    """
    try:
        entry = read_entry(file, index, size)
        return _read_base(file, size) if entry is None else _filled(file, entry, size)
    except ValueError as error:
        raise BundleError.at(
            name, expected="a plan by which the level can be cut", received=str(error)
        ) from error


def _read_base(file: BinaryIO, size: int) -> bytes:
    if read_base_size(file) != size:
        raise ValueError("a base of another size")
    file.seek(0)
    return file.read(size)


def _filled(file: BinaryIO, entry: Entry, size: int) -> bytes:
    output = io.BytesIO()  # hands its bytes over without a copy, unlike a bytearray
    output.seek(size - 1)
    output.write(b"\0")
    with output.getbuffer() as level:
        end = used = 0
        for hole in entry.holes:
            gap = hole.at - end
            level[end : hole.at] = entry.literal[used : used + gap]
            end, used = hole.end, used + gap
        level[end:] = entry.literal[used:]
        # Those that copy another hole of the level come last.
        for hole, data in sorted(entry.with_data(), key=lambda pair: pair[0].source == "level"):
            _fill(file, entry, hole, data, level)
    return output.getvalue()


def _fill(
    file: BinaryIO, entry: Entry, hole: Hole, data: bytes | memoryview, level: memoryview
) -> None:
    dtype = np.dtype(hole.dtype).newbyteorder("<")
    target = _array(level, hole.at, hole.shape, dtype)
    if hole.source == "plan":
        target[...] = from_planes(data, dtype).reshape(hole.shape)
    elif hole.source == "level":
        whole = _array(level, entry.holes[hole.offset].at, hole.whole, dtype)
        target[...] = _select(whole, hole.take)
    else:
        for part, rows in _slices(file, hole, dtype):
            target[part] = rows
    if hole.factor is not None:
        factor = from_planes(data, np.dtype(hole.factor.dtype).newbyteorder("<"))
        factor = factor.reshape(hole.factor.shape).astype(dtype)
        with np.errstate(all="ignore"):  # a hash tells what is wrong, whatever the numbers are
            np.multiply(target, factor, out=target)


def _slices(file: BinaryIO, hole: Hole, dtype: np.dtype) -> Iterator[tuple[slice, np.ndarray]]:
    """The rows of the base that the hole takes, some at a time, sliced along the other axes."""
    whole = hole.whole
    row_bytes = hole.whole_bytes // whole[0]
    at_once = max(1, LARGEST_READ // row_bytes)
    done = 0
    for start, count in hole.take[0] or ((0, whole[0]),):
        for first in range(start, start + count, at_once):
            rows = min(at_once, start + count - first)
            file.seek(hole.offset + first * row_bytes)
            content = file.read(rows * row_bytes)
            if len(content) != rows * row_bytes:
                raise ValueError("a file that was cut off")
            block = np.frombuffer(content, dtype).reshape(rows, *whole[1:])
            yield slice(done, done + rows), _select(block, (None, *hole.take[1:]))
            done += rows


def _select(array: np.ndarray, take: tuple[Runs | None, ...]) -> np.ndarray:
    """The entries at the given indices of each axis: `array[np.ix_(...)]`, views where it can."""
    for axis, runs in enumerate(take):
        if runs is None:
            continue
        if len(runs) == 1:
            ((start, count),) = runs
            array = array[(slice(None),) * axis + (slice(start, start + count),)]
        else:
            indices = np.concatenate([np.arange(start, start + count) for start, count in runs])
            array = np.take(array, indices, axis)
    return array


def _array(level: memoryview, at: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.frombuffer(level, dtype, math.prod(shape), at).reshape(shape)
