"""Rows of cells as text, each column as wide as its widest cell."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows as lines, cells to the right.

    Example:

    >>> print(aligned([("u", "bytes"), ("0.25", "80")]))
       u  bytes
    0.25     80
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def cells(
    rows: Sequence[Any], columns: Mapping[str, tuple[str, Callable[[Any], str]]]
) -> list[list[str]]:
    """Returns attributes of objects as cells under titles, without columns that no object fills.

    Args:
        rows: The objects.
        columns: By title the name of an attribute, and what writes its value. What is None is
            written as "-".

    Example:

    >>> cells([1 + 2j, 3j], {"real": ("real", "{:g}".format), "imag": ("imag", str)})
    [['real', 'imag'], ['1', '2.0'], ['0', '3.0']]
    """
    filled = []
    for title, (name, write) in columns.items():
        values = [getattr(row, name) for row in rows]
        if any(value is not None for value in values):
            filled.append([title, *("-" if value is None else write(value) for value in values)])
    return [list(line) for line in zip(*filled, strict=True)]
