"""Rows of cells as text, each column as wide as its widest cell."""

from collections.abc import Sequence


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
