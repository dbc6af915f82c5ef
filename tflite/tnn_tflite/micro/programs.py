"""The programs of a bundle as a firmware will have them: checked, measured, inputs looked up."""

from collections.abc import Mapping
from dataclasses import dataclass

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.programs import Edge
from tnn_tflite.lint.linter import findings_table, lint_graphs
from tnn_tflite.lint.micro import MICRO
from tnn_tflite.lint.operator_graph import OperatorGraph, read_operator_graph
from tnn_tflite.lint.target import programs_of
from tnn_tflite.micro.arena import smallest_arena
from tnn_tflite.micro.level import MicroLevel, MicroSegment


@dataclass(frozen=True, eq=False)
class ReadProgram:
    """A program's file, read and measured."""

    content: bytes
    macs: int
    arena_bytes: int | None
    graph: OperatorGraph


def read_programs(bundle: Bundle, measure_arena: bool) -> dict[str, ReadProgram]:
    """All programs by name, after the check that tflite-micro can run them."""
    contents = {key: bundle.read_level(one) for key, one in programs_of(bundle).items()}
    graphs = {key: read_operator_graph(content) for key, content in contents.items()}
    failures = [finding for finding in lint_graphs(graphs, MICRO) if finding.fails]
    if failures:
        raise ValueError(
            f"Invalid bundle '{bundle.directory}'. Expected levels that tflite-micro can run. "
            f"Received:\n{findings_table(failures)}"
        )
    found = {}
    for key, program in programs_of(bundle).items():
        content = contents[key]
        arena = smallest_arena(content) if measure_arena else None
        found[program.name] = ReadProgram(content, program.macs, arena, graphs[key])
    return found


def micro_levels(bundle: Bundle, programs: Mapping[str, ReadProgram]) -> tuple[MicroLevel, ...]:
    """The levels of a bundle, rising."""
    return tuple(
        MicroLevel(level.utilization, **vars(programs[level.name])) for level in bundle.levels
    )


def micro_segments(bundle: Bundle, programs: Mapping[str, ReadProgram]) -> tuple[MicroSegment, ...]:
    """The segments of each level of a bundle, one level after another."""
    edges = {(edge.target, edge.input): edge for edge in bundle.edges}
    given = [spec.name for spec in bundle.inputs]
    return tuple(
        MicroSegment(
            getattr(one, "utilization", 1.0),
            **vars(programs[one.name]),
            exit=getattr(one, "exit", one.name),
            origins=tuple(
                _origin(edges.get((one.name, tensor.name)), tensor.name, chain, programs, given)
                for tensor in programs[one.name].graph.inputs
            ),
            answer=_place(programs[one.name], one.outputs[0].name),
        )
        for chain in bundle.chains
        for one in chain.segments
    )


def _origin(
    edge: Edge | None,
    name: str,
    chain: Bundle,
    programs: Mapping[str, ReadProgram],
    given: list[str],
) -> tuple[int, int]:
    """Where an input comes from, as numbers: a firmware looks up no names."""
    if edge is None:
        return -1, given.index(name)
    number = [one.name for one in chain.segments].index(edge.source)
    return number, _place(programs[edge.source], edge.output)


def _place(program: ReadProgram, output: str) -> int:
    return [tensor.name for tensor in program.graph.outputs].index(output)
