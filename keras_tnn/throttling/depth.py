"""Residual blocks with an identity shortcut, found in a graph."""

import itertools
from dataclasses import dataclass

from keras_tnn.surgery.blocks import is_sum
from keras_tnn.surgery.calls import Call, Graph
from keras_tnn.throttling.rows import rows_per_sample


@dataclass(frozen=True)
class ResidualBlock:
    """A sum of a tensor and of what a branch computes from it.

    Attributes:
        add: the call that adds the two.
        shortcut: the tensor among its inputs that the branch starts from.
        branch: the one that comes from the branch.
        calls: those of the branch.
    """

    add: Call
    shortcut: object
    branch: object
    calls: list[Call]


def residual_stages(graph: Graph, skip: set[str]) -> list[list[ResidualBlock]]:
    """The residual blocks of a graph from input to output, a list for each run of equal shape.

    Args:
        graph: of the model.
        skip: names of layers; a block whose branch holds one of them is left out.

    Returns:
        Stages of blocks. Blocks with a projection on their shortcut are none: closed, they would
        leave nothing but the projection. Nor are those within a sample, as in a window of it.
    """
    found, rows = [], rows_per_sample(graph)
    for call in graph.calls:
        if is_sum(call) and not skip & call.names and rows[id(call.output)] == 1:
            found += blocks_at(call, graph.made_by, skip)
    return [list(run) for _, run in itertools.groupby(found, key=lambda one: one.add.output.shape)]


def blocks_at(add: Call, made_by: dict, skip: set[str]) -> list[ResidualBlock]:
    """The block that ends in a sum, if one term is computed from the other."""
    for shortcut, branch in (add.inputs, add.inputs[::-1]):
        calls = calls_between(shortcut, branch, made_by)
        works = any(getattr(call.operation, "weights", None) for call in calls)
        skipped = any(skip & call.names for call in calls)
        if works and shortcut.shape == branch.shape and not skipped:
            return [ResidualBlock(add, shortcut, branch, calls)]
    return []


def calls_between(start, end, made_by: dict) -> list[Call]:
    """The calls that `end` depends on and `start` does not; none if it does not depend on it."""
    calls, seen, reached, waiting = [], {id(end)}, False, [end]
    while waiting:
        tensor = waiting.pop()
        if tensor is start:
            reached = True
        elif id(tensor) in made_by:
            call = made_by[id(tensor)]
            calls.append(call)
            new = {id(x): x for x in call.inputs if id(x) not in seen}
            seen |= new.keys()
            waiting += new.values()
    return calls if reached else []
