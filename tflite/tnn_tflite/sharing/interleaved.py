"""Arrays of bytes that are alike, piece by piece in turn.

A compressor finds what repeats within a window, zlib within 32 kB. Two files that are alike repeat
each other a whole file apart; in turn, a piece of 4 kB apart.
"""

from collections.abc import Iterator, Sequence

PIECE = 4096  # bytes, at most


def interleave(arrays: Sequence[bytes]) -> bytes:
    """Returns the first piece of every array, then the second of every array, and so on.

    All arrays are cut into the same number of pieces.

    Args:
        arrays: Arrays of any sizes.

    Example:

    >>> interleave([b"abcd" * 2048, b"ABCD" * 1024])[4094:4098]
    b'cdAB'
    """
    pieces = _pieces([len(array) for array in arrays])
    return b"".join(arrays[index][start:end] for index, start, end in pieces)


def pick(content: memoryview, sizes: Sequence[int], index: int) -> bytes:
    """Returns one array out of what `interleave` made.

    Args:
        content: What it made.
        sizes: The sizes of all arrays.
        index: Which one.

    Example:

    >>> pick(memoryview(interleave([b"one", b"three"])), [3, 5], 1)
    b'three'
    """
    own, at = [], 0
    for array, start, end in _pieces(sizes):
        if array == index:
            own.append(content[at : at + end - start])
        at += end - start
    return b"".join(own)


def _pieces(sizes: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Each piece as (array, start, end)."""
    count = -(-max(sizes, default=0) // PIECE)
    for piece in range(count):
        for array, size in enumerate(sizes):
            yield array, piece * size // count, (piece + 1) * size // count
