"""Whether the segments of a bundle are the parts of one network."""

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.programs import LevelSegment, Program, Quantization
from tnn_tflite.errors import BundleError


def check_segments(bundle: Bundle) -> None:
    """Raises `BundleError` if segments do not add up to a network that answers exit by exit.

    That an edge goes forward, to a tensor of its shape and type, is checked with all edges.
    """
    others = [program.name for program in bundle.programs if program not in bundle.segments]
    if others or bundle.shared is not None:
        raise BundleError.at(
            bundle.directory,
            expected="nothing beside segments, each in a file of its own",
            received=str(others) if others else f"layout '{bundle.layout}'",
        )
    if any(isinstance(one, LevelSegment) for one in bundle.segments):
        _check_levels(bundle)
    for segment in bundle.segments:
        _check_answer(bundle, segment)
        _check_inputs(bundle, segment)
        _check_handed_on(bundle, segment)
    _check_scales(bundle)


def _check_levels(bundle: Bundle) -> None:
    """Each level has the same exits, in the same order, and a chain of segments of its own."""
    parts = bundle.segments  # those of a network at one level have no utilization
    found = [(getattr(one, "utilization", 0.0), getattr(one, "exit", "")) for one in parts]
    levels = sorted({u for u, _ in found})
    exits = [exit for u, exit in found if u == levels[-1]]
    if found != [(u, exit) for u in levels for exit in exits] or len(set(exits)) < len(exits):
        raise BundleError.at(
            bundle.directory,
            expected=f"levels that rise, each with a segment for each of the exits {exits}",
            received=str([one.name for one in parts]),
        )
    level_of = {one.name: u for one, (u, _) in zip(parts, found, strict=True)}
    for edge in bundle.edges:
        if level_of.get(edge.source) != level_of.get(edge.target):
            raise BundleError.at(
                bundle.directory,
                expected="`edges` between segments of one level",
                received=f"one from '{edge.source}' to '{edge.target}'",
            )


def _check_answer(bundle: Bundle, segment: Program) -> None:
    if segment.outputs[:1] != bundle.outputs:
        raise BundleError.at(
            bundle.directory,
            expected=f"the first output of each segment to be {bundle.outputs}, as of the last",
            received=f"{segment.outputs[:1]} of '{segment.name}'",
        )
    if segment.macs < 1:
        raise BundleError.at(
            bundle.directory,
            expected=f"multiply-accumulates in '{segment.name}', so that exits rise in cost",
            received=str(segment.macs),
        )


def _check_inputs(bundle: Bundle, segment: Program) -> None:
    """What no edge feeds is an input of the network, the same for all segments that read it."""
    known = {spec.name: spec for spec in bundle.inputs[::-1]}  # of equal names the first
    fed = {edge.input for edge in bundle.edges if edge.target == segment.name}
    for spec in segment.inputs:
        if spec.name not in fed and spec != known[spec.name]:
            raise BundleError.at(
                bundle.directory,
                expected=f"{known[spec.name]} to be one input of the network for all segments",
                received=f"{spec} of '{segment.name}'",
            )


def _check_handed_on(bundle: Bundle, segment: Program) -> None:
    handed = {edge.output for edge in bundle.edges if edge.source == segment.name}
    lost = [spec.name for spec in segment.outputs[1:] if spec.name not in handed]
    if lost:
        raise BundleError.at(
            bundle.directory,
            expected=f"an edge from each output of '{segment.name}' but the first",
            received=f"none from {lost}",
        )


def _check_scales(bundle: Bundle) -> None:
    """Integers mean the same at both ends of an edge, so nothing is scaled on the way."""
    programs = {program.name: program for program in bundle.segments}
    for edge in bundle.edges:
        if edge.source not in programs or edge.target not in programs:
            continue  # the check of edges says so
        given = _quantization(programs[edge.source], "output", edge.output)
        read = _quantization(programs[edge.target], "input", edge.input)
        if given != read:
            raise BundleError.at(
                bundle.directory,
                expected=f"one quantization at both ends of the edge from '{edge.source}' to "
                f"'{edge.target}'",
                received=f"{given} and {read}",
            )


def _quantization(program: Program, kind: str, name: str) -> Quantization | None:
    names = [spec.name for spec in getattr(program, f"{kind}s")]
    found = getattr(program, f"{kind}_quantization")
    return found[names.index(name)] if found and name in names else None
