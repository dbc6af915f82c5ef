"""What a closed gate spares: the residual blocks of a graph that run only if their gate is open."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from keras_tnn.gates import Gate
from keras_tnn.layers.residual_gate import ResidualGate
from keras_tnn.surgery.calls import Call, Graph, tensors_in
from keras_tnn.surgery.registry import rule_of
from keras_tnn.surgery.rules.elementwise import AddRule


@dataclass(frozen=True)
class BlockPiece:
    """`end` = `base` + g f(x), with the branch f of a residual block.

    Attributes:
        gate: the call of the `ResidualGate`.
        base: the tensor that the branch is added to.
        calls: those of the branch, in running order; the gates among them run only if it is open.
        end: the sum.
    """

    gate: Call
    base: Any
    calls: tuple[Call, ...]
    end: Any


class Readers:
    """Who reads the tensors of a graph.

    Attributes:
        read_by: for the `id` of a tensor the calls that read it; None stands for an output of the
            graph.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.read_by = defaultdict(list)
        for call in graph.calls:
            for x in call.sources:
                self.read_by[id(x)].append(call)
        for x in tensors_in(graph.outputs):
            self.read_by[id(x)].append(None)

    def only_reader(self, tensor) -> Call | None:
        readers = self.read_by[id(tensor)]
        return readers[0] if len(readers) == 1 else None

    def private_calls(self, tensor) -> tuple[Call, ...]:
        """The calls whose outputs serve `tensor` and nothing else."""
        made_by = self.graph.made_by
        inside = {id(made_by[id(tensor)])} if id(tensor) in made_by else set()
        for call in reversed(self.graph.calls):
            readers = [one for x in call.outputs for one in self.read_by[id(x)]]
            if readers and all(id(one) in inside for one in readers):
                inside.add(id(call))
        return tuple(call for call in self.graph.calls if id(call) in inside)


def find_blocks(graph: Graph) -> list[BlockPiece]:
    """The blocks of a graph whose gate stands before a sum, an outer one before those in it."""
    readers, found = Readers(graph), []
    # A gate that is decided once for all ships with nobody: who shares it is not the question.
    ships = [
        call
        for call in graph.calls
        if getattr(call.operation, "weights", None)
        and not (isinstance(call.operation, Gate) and not call.operation.data_dependent)
    ]
    uses = Counter(id(call.operation) for call in ships)
    for gate in reversed(graph.calls):  # an outer block ends after those inside it
        if not isinstance(gate.operation, ResidualGate) or gate.operation.inverted:
            continue
        branch, add = gate.inputs[0], readers.only_reader(gate.output)
        if add is None or not is_sum(add) or readers.only_reader(branch) is not gate:
            continue
        base = other_term(add, gate.output)
        calls = readers.private_calls(branch)
        shared = any(uses[id(call.operation)] > 1 for call in calls)
        if base is not None and base.shape == branch.shape and calls and not shared:
            found.append(BlockPiece(gate, base, calls, add.output))
    return found


def is_sum(call: Call) -> bool:
    """Whether a call adds two tensors, as a layer of Keras or an operation does."""
    return isinstance(rule_of(call), AddRule) and len(call.inputs) == 2


def other_term(add: Call, tensor):
    """What a call adds to a tensor; None where that is the tensor itself."""
    return next((x for x in add.inputs if x is not tensor), None)
