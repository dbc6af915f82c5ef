"""A TFLite file with several outputs, exit after exit, as a file for each segment.

A segment has the operators that its exit needs and no earlier one did. It is cut out of the very
file of the whole network, not converted by itself: so in integers what is handed on has one scale
at both ends, all segments in turn give the answers of the whole network bit by bit, and a weight
stands in the file of the segment that reads it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tnn_tflite.sharing.packing import aligned_buffer, packed, renumber_subgraphs
from tnn_tflite.sharing.schema import load_schema

HANDED = "handed_{}"  # how a tensor that is handed on is called


@dataclass(frozen=True)
class SegmentFile:
    """One segment as a TFLite file.

    Args:
        content: The bytes of the file, with one signature.
        inputs: The names of its inputs: those of the network that it reads, then what is handed on.
        outputs: The names of its outputs: that of its exit, then what it hands on.
        origins: For an input that an earlier segment hands on, its place and the output's name.
    """

    content: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    origins: Mapping[str, tuple[int, str]] = field(default_factory=dict)


def split_at_exits(content: bytes, exits: Sequence[str]) -> list[SegmentFile]:
    """Returns a file for each segment.

    Args:
        content: A TFLite file with one signature.
        exits: The names of its outputs in order of depth. In its segment the output of each exit
            has the last of these names.

    Raises:
        ValueError: If an exit has no operator of its own.
    """
    network = _Network(_parsed(content))
    parts = network.segments([network.outputs[name] for name in exits])
    for name, operators in zip(exits, parts, strict=True):
        if not operators:
            raise ValueError(
                "Invalid value for `exits`. Expected exits in order of depth, each with operators "
                f"of its own. Received: '{name}', which is there before"
            )
    called = {x: name for name, x in network.inputs.items()}  # by tensor
    made: dict[int, tuple[int, str]] = {}  # by tensor the segment that makes it, and the output
    free = (HANDED.format(number) for number in itertools.count(1))
    names = (name for name in free if name not in {*network.inputs, *exits})
    files = []
    for index, (name, operators) in enumerate(zip(exits, parts, strict=True)):
        later = {x for part in parts[index + 1 :] for x in network.read_by(part)}
        end = network.outputs[name]
        outputs = {exits[-1]: end}
        for x in network.made_by(operators):
            if x in later and x not in network.constants:
                called[x] = next(names)
                if x != end:
                    outputs[called[x]] = x
        read = sorted(x for x in network.read_by(operators) if x in made or x in called)
        own = {*network.made_by(operators)}
        inputs = {called[x]: x for x in sorted(read, key=made.__contains__) if x not in own}
        origins = {called[x]: made[x] for x in inputs.values() if x in made}
        files.append(
            SegmentFile(_cut(content, operators, inputs, outputs), (*inputs,), (*outputs,), origins)
        )
        made |= {x: (index, output) for output, x in outputs.items()}
    return files


class _Network:
    """The operators of a file by their places, and what they read and make.

    Args:
        model: A `ModelT` with one signature.
    """

    def __init__(self, model: Any) -> None:
        (signature,) = model.signatureDefs
        graph = model.subgraphs[signature.subgraphIndex]
        self.inputs, self.outputs = (
            {one.name.decode(): one.tensorIndex for one in side}
            for side in (signature.inputs, signature.outputs)
        )
        self._operators = graph.operators
        self.constants = {x for x, one in enumerate(graph.tensors) if _holds_values(model, one)}
        for place, one in enumerate(graph.operators):
            if self.constants.issuperset(self.read_by([place])):
                self.constants |= {*_list(one.outputs)}
        self._maker = {x: i for i, one in enumerate(graph.operators) for x in _list(one.outputs)}

    def segments(self, ends: Sequence[int]) -> list[list[int]]:
        """For each tensor the operators that it needs and no earlier one did.

        What unpacks a constant, such as weights in float16, is repeated in each that reads it:
        XNNPACK does that while it loads, and has no such tensor to hand on.
        """
        parts, done = [], set()
        for end in ends:
            needed, waiting = set(), [end]
            while waiting:
                place = self._maker.get(waiting.pop())
                if place is not None and place not in done and place not in needed:
                    needed.add(place)
                    waiting += self.read_by([place])
            done |= {
                place for place in needed if not self.constants.issuperset(self.made_by([place]))
            }
            parts.append(sorted(needed))
        return parts

    def read_by(self, operators: Iterable[int]) -> list[int]:
        """The tensors that operators read, constants included, each once."""
        read = (x for i in operators for x in _list(self._operators[i].inputs) if x >= 0)
        return list(dict.fromkeys(read))

    def made_by(self, operators: Iterable[int]) -> list[int]:
        """The tensors that operators make."""
        return [x for i in operators for x in _list(self._operators[i].outputs)]


def _cut(
    content: bytes, operators: Sequence[int], inputs: dict[str, int], outputs: dict[str, int]
) -> bytes:
    """A file with some of the operators of another, and what they need."""
    model = _parsed(content)
    (signature,) = model.signatureDefs
    graph = model.subgraphs[signature.subgraphIndex]
    graph.operators = [graph.operators[i] for i in operators]
    _keep_tensors(graph, [*inputs.values(), *outputs.values()])
    places = {x: new for new, x in enumerate(graph.kept)}
    graph.inputs, graph.outputs = ([places[x] for x in side.values()] for side in (inputs, outputs))
    signature.inputs, signature.outputs = (
        [_mapping(name, places[x]) for name, x in side.items()] for side in (inputs, outputs)
    )
    _keep_subgraphs(model, signature)
    _keep_operator_codes(model)
    _keep_buffers(model)
    return packed(model)


def _keep_tensors(graph: Any, ends: Sequence[int]) -> None:
    """Leaves only the tensors that operators or ends use; `graph.kept` says which."""
    kinds = ("inputs", "outputs", "intermediates")
    used = {x for one in graph.operators for kind in kinds for x in _list(getattr(one, kind))}
    graph.kept = sorted({*used, *ends} - {-1})
    places = {x: new for new, x in enumerate(graph.kept)} | {-1: -1}
    graph.tensors = [graph.tensors[x] for x in graph.kept]
    for one in graph.operators:
        for kind in kinds:
            if getattr(one, kind) is not None:
                setattr(one, kind, [places[x] for x in _list(getattr(one, kind))])


def _keep_subgraphs(model: Any, signature: Any) -> None:
    """Leaves the subgraph of the signature, as the first, and those that it runs."""
    kept = [signature.subgraphIndex]

    def place_of(subgraph: int) -> int:
        if subgraph not in kept:
            kept.append(subgraph)  # the loop below comes to it
        return kept.index(subgraph)

    for subgraph in kept:
        for operator in model.subgraphs[subgraph].operators or ():
            renumber_subgraphs(operator, place_of)
    model.subgraphs = [model.subgraphs[subgraph] for subgraph in kept]
    signature.subgraphIndex = 0


def _keep_operator_codes(model: Any) -> None:
    operators = [one for graph in model.subgraphs for one in graph.operators or ()]
    kept = sorted({one.opcodeIndex for one in operators})
    for one in operators:
        one.opcodeIndex = kept.index(one.opcodeIndex)
    model.operatorCodes = [model.operatorCodes[code] for code in kept]


def _keep_buffers(model: Any) -> None:
    """Leaves the buffers that a tensor or the metadata name; buffer 0 is the empty one."""
    owners = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    owners += model.metadata or ()
    kept = sorted({0, *(one.buffer for one in owners)})
    places = {buffer: new for new, buffer in enumerate(kept)}
    for one in owners:
        one.buffer = places[one.buffer]
    found = [model.buffers[buffer].data for buffer in kept]
    model.buffers = [aligned_buffer(load_schema(), _bytes(data)) for data in found]


def _holds_values(model: Any, tensor: Any) -> bool:
    return _bytes(model.buffers[tensor.buffer].data) is not None


def _bytes(data: Any) -> np.ndarray | None:
    return None if data is None or not len(data) else np.asarray(data, np.uint8)


def _mapping(name: str, tensor: int) -> Any:
    mapping = load_schema().TensorMapT()
    mapping.name, mapping.tensorIndex = name, tensor
    return mapping


def _parsed(content: bytes) -> Any:
    schema = load_schema()
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def _list(numbers: Any) -> list[int]:
    return [] if numbers is None else [int(number) for number in numbers]
