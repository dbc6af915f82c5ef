"""The stage between converting and writing: the levels of one network are put together.

Until here each level was converted as if there were no other. Now

1. biases take back what rounding the weights shifts the outputs by (`sharing.bias_correction`),
2. int8 weights of all levels come onto the grid of the full level (`sharing.regrid`), in every
   layout, so that a level gives the same answers however it is stored,
3. and levels that share a file are planned as parts of it (`sharing.share`).

Steps 2 and 3 are one plan: a level whose integers are a slice of the full level's is what
`cut_level` takes from the shared file, also where that file is not kept.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.writer import peek
from tnn_tflite.conversion.converted_level import ConvertedLevel
from tnn_tflite.sharing.bias_correction import corrected
from tnn_tflite.sharing.cut_level import cut_level
from tnn_tflite.sharing.share import share


def assemble(
    levels: Iterable[ConvertedLevel], layout: str = "files"
) -> tuple[Iterable[LevelContent], bytes | None]:
    """Puts the levels of one network together.

    Args:
        levels: The levels, rising in utilization.
        layout: As for `write_bundle`.

    Returns:
        The levels with the bytes that they will be read with, and the file that they share, None
        with `layout="files"`.

    Raises:
        ValueError: If there is no level.
    """
    first, levels = peek(levels)
    if layout == "files" and first.float_content is None:
        return levels, None  # nothing is shared: each is written while the next is converted
    levels = [_corrected(level) for level in levels]
    if layout != "signatures":
        shared = share(levels)
        return _as_cut(levels, shared), None if layout == "files" else shared
    # Signatures cannot slice each other, but they run the same integers as the other layouts.
    if first.float_content is not None:
        levels = _as_cut(levels, share(levels))
    return levels, share(levels, layout)


def _corrected(level: ConvertedLevel) -> ConvertedLevel:
    if level.float_content is None or not level.means:
        return level
    content = corrected(level.content, level.float_content, level.means)
    return replace(level, content=content)


def _as_cut(levels: Sequence[ConvertedLevel], shared: bytes) -> list[ConvertedLevel]:
    """The levels with the bytes that a device cuts from the shared file."""
    file = io.BytesIO(shared)
    return [
        replace(level, content=cut_level(file, index, len(level.content)))
        for index, level in enumerate(levels)
    ]
