"""From a bundle to a folder of C++ sources."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.bundle.programs import LEVEL, LEVEL_SEGMENT, SEGMENT
from tnn_tflite.micro.arena import check_tflite_micro
from tnn_tflite.micro.c_array import c_array
from tnn_tflite.micro.folder_of_sources import check_folder, write_folder
from tnn_tflite.micro.header import array_name, levels_header, levels_source
from tnn_tflite.micro.level import MicroLevel, MicroSegment
from tnn_tflite.micro.memory_table import memory_rows
from tnn_tflite.micro.programs import micro_levels, micro_segments, read_programs
from tnn_tflite.micro.resolver import operators_of, resolver_header
from tnn_tflite.micro.segments_header import segment_array, segments_header, segments_source
from tnn_tflite.micro.tensor_table import quoted
from tnn_tflite.result_table import ResultTable
from tnn_tflite.text_table import aligned


@dataclass(frozen=True, eq=False)
class MicroReport(ResultTable):
    """What was written.

    Args:
        directory: The folder.
        files: The names of its files.
        levels: The levels, rising in utilization; of a network with exits the segments of each.
        operators: Names of all operators, as in TFLite's schema.
    """

    directory: Path
    files: tuple[str, ...]
    levels: tuple[MicroLevel, ...]
    operators: tuple[str, ...]

    def records(self) -> list[dict[str, Any]]:
        """MACs, flash and arena of each level; without the row of a firmware that holds all."""
        return [
            {
                "utilization": level.utilization,
                "exit": getattr(level, "exit", None),
                "macs": level.macs,
                "flash_bytes": len(level.content),
                "arena_bytes": level.arena_bytes,
            }
            for level in self.levels
        ]

    def lines(self) -> list[Sequence[str]]:
        """The cells that are printed, the header first and the whole firmware last."""
        return memory_rows(self.levels)

    def __str__(self) -> str:
        names = ", ".join(self.operators)
        return f"{aligned(self.lines())}\n\n{len(self.operators)} operators: {names}"


def export_micro(
    directory: str | os.PathLike, out: str | os.PathLike, measure_arena: bool = True
) -> MicroReport:
    """Writes a bundle as C++ sources for tflite-micro.

    A network with exits becomes the segments of each level, which run in turn. The folder appears
    when it is complete; an older one that was written the same way is replaced.

    Args:
        directory: The bundle. Convert it with `quantization="int8"` and `inference_type="int8"`:
            float32 runs, but is four times as large and slow.
        out: The folder to write.
        measure_arena: Whether to measure the arena of each level or segment, with the tflite-micro
            package.

    Returns:
        What was written; `print` shows the table of flash and RAM.

    Raises:
        BundleError: If the bundle is damaged.
        ImportError: If the tflite-micro package is missing and the arena shall be measured.
        ValueError: If tflite-micro cannot run a level, or `out` holds other files.

    Example:

    ```python
    print(export_micro("bundle", "firmware/network"))
    ```
    """
    out = Path(out)
    check_folder(out)
    if measure_arena:
        check_tflite_micro()
    bundle = read_bundle(directory, roles=(LEVEL, SEGMENT, LEVEL_SEGMENT))
    programs = read_programs(bundle, measure_arena)
    levels = (micro_segments if bundle.segments else micro_levels)(bundle, programs)
    _warn_of_floats(levels)
    operators = operators_of(level.graph for level in levels)
    report = MicroReport(out, (), levels, operators)
    sources = _segment_sources if bundle.segments else _level_sources
    files = {**sources(levels), "tnn_operators.h": resolver_header(operators)}
    names = write_folder(out, {**files, "memory.txt": f"{report}\n"})
    return MicroReport(out, names, levels, operators)


def _level_sources(levels: tuple[MicroLevel, ...]) -> dict[str, str]:
    return {
        "tnn_levels.h": levels_header(levels),
        "tnn_levels.cc": levels_source(levels),
        **_array_sources(levels, array_name),
    }


def _warn_of_floats(levels: tuple[MicroLevel, ...]) -> None:
    floats = [level.label for level in levels if _computes_in_floats(level)]
    if floats:
        warnings.warn(
            f"The levels {', '.join(floats)} compute in float32: four times the flash and RAM of "
            "int8, and slow without a floating-point unit. Convert with quantization='int8' and "
            "inference_type='int8'",
            stacklevel=3,
        )


def _computes_in_floats(level: MicroLevel) -> bool:
    inside = (one for one in level.graph.operators if one.name not in ("QUANTIZE", "DEQUANTIZE"))
    return any(tensor.type == "FLOAT32" for one in inside for tensor in one.tensors)


def _segment_sources(segments: tuple[MicroSegment, ...]) -> dict[str, str]:
    by_level: dict[float, list[MicroSegment]] = {}
    for one in segments:
        by_level.setdefault(one.utilization, []).append(one)
    levels = list(by_level.values())
    return {
        "tnn_segments.h": segments_header(levels),
        "tnn_segments.cc": segments_source(levels),
        **_array_sources(segments, segment_array),
    }


def _array_sources(programs: Sequence[MicroLevel], name_of: Callable[[int], str]) -> dict[str, str]:
    return {
        f"{name_of(number)}.cc": _array_source(name_of(number), one)
        for number, one in enumerate(programs)
    }


def _array_source(name: str, program: MicroLevel) -> str:
    # In C++ a constant is visible to other files only if it was declared so.
    declaration = f"extern const unsigned char {name}[{len(program.content)}];"
    label = quoted(program.label)[1:-1]
    return "\n".join([f"// u = {label}", declaration, c_array(name, program.content), ""])
