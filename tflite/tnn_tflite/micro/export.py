"""From a bundle to a folder of C++ sources."""

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.bundle.programs import LEVEL
from tnn_tflite.lint.findings_table import findings_table
from tnn_tflite.lint.linter import lint_graphs
from tnn_tflite.lint.micro import MICRO
from tnn_tflite.lint.operator_graph import read_operator_graph
from tnn_tflite.micro.arena import check_tflite_micro, smallest_arena
from tnn_tflite.micro.c_array import c_array
from tnn_tflite.micro.folder_of_sources import check_folder, write_folder
from tnn_tflite.micro.header import array_name, levels_header, levels_source
from tnn_tflite.micro.level import MicroLevel
from tnn_tflite.micro.memory_table import memory_rows
from tnn_tflite.micro.resolver import operators_of, resolver_header
from tnn_tflite.result_table import ResultTable
from tnn_tflite.text_table import aligned


@dataclass(frozen=True, eq=False)
class MicroReport(ResultTable):
    """What was written.

    Args:
        directory: The folder.
        files: The names of its files.
        levels: The levels, rising in utilization.
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

    The folder appears when it is complete; an older one that was written the same way is replaced.

    Args:
        directory: The bundle. Convert it with `quantization="int8"` and `inference_type="int8"`:
            float32 runs, but is four times as large and slow.
        out: The folder to write.
        measure_arena: Whether to measure the arena of each level, with the tflite-micro package.

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
    levels = tuple(_levels(read_bundle(directory, roles=(LEVEL,)), measure_arena))
    _warn_of_floats(levels)
    operators = operators_of(level.graph for level in levels)
    report = MicroReport(out, (), levels, operators)
    files = {**_sources(levels), "tnn_operators.h": resolver_header(operators)}
    names = write_folder(out, {**files, "memory.txt": f"{report}\n"})
    return MicroReport(out, names, levels, operators)


def _levels(bundle: Bundle, measure_arena: bool) -> Iterator[MicroLevel]:
    contents = {level.utilization: bundle.read_level(level) for level in bundle.levels}
    graphs = {
        utilization: read_operator_graph(content) for utilization, content in contents.items()
    }
    failures = [finding for finding in lint_graphs(graphs, MICRO) if finding.fails]
    if failures:
        raise ValueError(
            f"Invalid bundle '{bundle.directory}'. Expected levels that tflite-micro can run. "
            f"Received:\n{findings_table(failures)}"
        )
    for level in bundle.levels:
        content = contents[level.utilization]
        arena = smallest_arena(content) if measure_arena else None
        yield MicroLevel(level.utilization, content, level.macs, arena, graphs[level.utilization])


def _warn_of_floats(levels: tuple[MicroLevel, ...]) -> None:
    floats = [level.utilization for level in levels if _computes_in_floats(level)]
    if floats:
        warnings.warn(
            f"The levels {floats} compute in float32: four times the flash and RAM of int8, and "
            "slow without a floating-point unit. Convert with quantization='int8' and "
            "inference_type='int8'",
            stacklevel=3,
        )


def _computes_in_floats(level: MicroLevel) -> bool:
    inside = (one for one in level.graph.operators if one.name not in ("QUANTIZE", "DEQUANTIZE"))
    return any(tensor.type == "FLOAT32" for one in inside for tensor in one.tensors)


def _sources(levels: tuple[MicroLevel, ...]) -> dict[str, str]:
    arrays = {
        f"{array_name(number)}.cc": _array_source(number, level)
        for number, level in enumerate(levels)
    }
    return {"tnn_levels.h": levels_header(levels), "tnn_levels.cc": levels_source(levels), **arrays}


def _array_source(number: int, level: MicroLevel) -> str:
    name = array_name(number)
    # In C++ a constant is visible to other files only if it was declared so.
    declaration = f"extern const unsigned char {name}[{len(level.content)}];"
    return "\n".join(
        [f"// u = {level.utilization:g}", declaration, c_array(name, level.content), ""]
    )
