"""Co-compilation: several levels that share the Edge TPU's memory, and the command for it.

The Edge TPU keeps parameters in about 8 MB of its own. Models that were compiled together keep
theirs side by side, and changing from one to another costs nothing; those compiled one by one
drive each other out. The first one named gets its place first (coral.ai, "Edge TPU Compiler").
"""

import shlex
from collections.abc import Iterator

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.lint.operator_rule import Finding
from tnn_tflite.lint.target import Graphs, programs_of

ON_CHIP = 8 * 2**20  # bytes; the executables of the models take a part of it
OUT = "compiled"


def parameter_memory(graphs: Graphs) -> Iterator[Finding]:
    """Notes the levels whose parameters do not fit behind those of the levels before them."""
    used = 0
    for utilization, graph in graphs.items():
        used += graph.parameter_bytes
        if used > ON_CHIP:
            yield Finding(
                utilization,
                None,
                "-",
                "8-MB",
                f"{graph.parameter_bytes:,} bytes of parameters, {used:,} with the levels before "
                f"it: above {ON_CHIP:,} they are read from outside, which is slower. Ship fewer "
                "levels, or name it earlier.",
                fails=False,
            )


def compile_command(bundle: Bundle, graphs: Graphs) -> str:
    """Returns the command that compiles all levels together, the first one first.

    Args:
        bundle: A bundle with one file a level.
        graphs: The levels, in the order in which they shall get their place.
    """
    programs = programs_of(bundle)
    return shlex.join(
        ["edgetpu_compiler", "-s", "-o", OUT]
        + [str(bundle.directory / programs[key].file) for key in graphs]
    )


def compile_advice(bundle: Bundle, graphs: Graphs) -> str:
    """Returns the end of the report: how to compile."""
    if len({program.file for program in bundle.programs}) < len(bundle.programs):
        return "Convert with layout='files': the compiler takes one file a level."
    return (
        f"Compile all levels together, the most used first:\n\n  {compile_command(bundle, graphs)}"
    )
