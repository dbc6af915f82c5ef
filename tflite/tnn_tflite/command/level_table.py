"""The programs of a bundle as a text table."""

from collections.abc import Sequence

from tnn_tflite.bundle.description import Level, Program
from tnn_tflite.text_table import aligned

HEADINGS = ("u", "MACs", "parameters", "bytes", "file")


def level_table(programs: Sequence[Program], milliseconds: Sequence[float] | None = None) -> str:
    """Returns a table with a row for each program.

    Args:
        programs: The levels of a bundle, and its controller.
        milliseconds: The median latency of each, or None to leave the column out.
    """
    rows = [list(HEADINGS)]
    rows += [
        [
            f"{v.utilization:g}" if isinstance(v, Level) else v.role,
            f"{v.macs:,}",
            f"{v.parameters:,}",
            f"{v.bytes:,}",
            v.file,
        ]
        for v in programs
    ]
    if milliseconds is not None:
        cells = ["ms", *(f"{value:.3f}" for value in milliseconds)]
        rows = [[*row[:-1], cell, row[-1]] for row, cell in zip(rows, cells, strict=True)]
    return aligned(rows)
