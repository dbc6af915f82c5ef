"""The levels of a bundle as a text table."""

from collections.abc import Sequence

from tnn_tflite.bundle.description import Level
from tnn_tflite.text_table import aligned

HEADINGS = ("u", "MACs", "parameters", "bytes", "file")


def level_table(levels: Sequence[Level], milliseconds: Sequence[float] | None = None) -> str:
    """Returns a table with a row for each level.

    Args:
        levels: The levels of a bundle.
        milliseconds: The median latency of each level, or None to leave the column out.
    """
    rows = [list(HEADINGS)]
    rows += [
        [f"{v.utilization:g}", f"{v.macs:,}", f"{v.parameters:,}", f"{v.bytes:,}", v.file]
        for v in levels
    ]
    if milliseconds is not None:
        cells = ["ms", *(f"{value:.3f}" for value in milliseconds)]
        rows = [[*row[:-1], cell, row[-1]] for row, cell in zip(rows, cells, strict=True)]
    return aligned(rows)
