"""The levels or exits of a bundle, and its controller, as a text table."""

from collections.abc import Sequence

from tnn_tflite.bundle.exit_level import ExitAtLevel, ExitLevel
from tnn_tflite.bundle.programs import Level, Program
from tnn_tflite.text_table import aligned

HEADINGS = ("u", "MACs", "parameters", "bytes", "file")


def level_table(
    programs: Sequence[Program | ExitLevel], milliseconds: Sequence[float] | None = None
) -> str:
    """Returns a table with a row for each program.

    Args:
        programs: The levels or exits of a bundle, and its controller.
        milliseconds: The median latency of each, or None to leave the column out.
    """
    rows = [list(HEADINGS)]
    rows += [
        [
            _name(v),
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


def _name(program: Program | ExitLevel) -> str:
    if isinstance(program, ExitLevel):
        form = "g" if isinstance(program, ExitAtLevel) else ".3f"  # a level, or a share
        return f"{program.utilization:{form}} {program.name}"
    return f"{program.utilization:g}" if isinstance(program, Level) else program.role
