"""Flash and RAM of each level, as a table."""

from collections.abc import Sequence

from tnn_tflite.micro.level import MicroLevel

HEADINGS = ("u", "MACs", "flash bytes", "arena bytes")


def memory_rows(levels: Sequence[MicroLevel]) -> list[Sequence[str]]:
    """Returns the header, a row for each level or segment and one for a firmware with them all.

    Flash is the array alone; the interpreter, its kernels and the program come on top.
    """
    rows = [_row(level.label, level.macs, [level]) for level in levels]
    return [HEADINGS, *rows, _row("all", None, levels)]


def _row(name: str, macs: int | None, levels: Sequence[MicroLevel]) -> tuple[str, ...]:
    arenas = [level.arena_bytes for level in levels if level.arena_bytes is not None]
    return (
        name,
        "" if macs is None else f"{macs:,}",
        f"{sum(len(level.content) for level in levels):,}",
        f"{max(arenas):,}" if arenas else "-",
    )
