"""A channel shuffle that is written as reshape, transpose, reshape, read as one layer.

Between the reshapes the channels lie on two axes, which is more than is said of a tensor (see
`channels.py`); from end to end each channel only changes its place.
"""

from collections import Counter
from dataclasses import replace

import keras
import numpy as np

from keras_tnn.layers import ChannelShuffle
from keras_tnn.surgery.calls import Call, Graph, tensors_in


def fold_shuffles(graph: Graph) -> Graph:
    """The graph with one call of `ChannelShuffle` for each three calls that shuffle channels.

    Args:
        graph: of a model, as `read_graph` lists it.

    Returns:
        `Graph`. What the calls between made is no tensor of it any more.
    """
    read = Counter(id(x) for call in graph.calls for x in call.sources)
    read.update(id(x) for x in tensors_in(graph.outputs))
    folded, gone = {}, set()
    for last in graph.calls:
        middle = maker(last, graph)
        first = middle and maker(middle, graph)
        if first and all(read[id(one.output)] == 1 for one in (first, middle)):
            groups = groups_between(first, middle, last)
            if groups:
                folded[id(last)] = shuffle(first, middle, last, groups)
                gone |= {id(first), id(middle)}
    calls = [folded.get(id(call), call) for call in graph.calls if id(call) not in gone]
    return replace(graph, calls=tuple(calls))


def maker(call: Call, graph: Graph) -> Call | None:
    """What makes the only input of a call, if that is all it makes."""
    made_by = graph.made_by.get(id(call.inputs[0])) if len(call.inputs) == 1 else None
    return made_by if made_by and len(made_by.outputs) == 1 and len(made_by.inputs) == 1 else None


def groups_between(first: Call, middle: Call, last: Call) -> int | None:
    """The groups whose channels three calls interleave; None where they do something else."""
    before, parted = first.inputs[0].shape, first.output.shape
    reshapes = all(type(call.operation).__name__ == "Reshape" for call in (first, last))
    if not reshapes or len(before) < 2 or None in before[1:] or last.output.shape != before:
        return None
    if len(parted) != len(before) + 1 or parted[:-2] != before[:-1]:
        return None
    return parted[-2] if swaps_last_two(middle.operation, len(parted)) else None


def swaps_last_two(operation, rank: int) -> bool:
    """Whether an operation is a transposition of the last two axes of so many."""
    numbers = np.arange(rank)
    match type(operation).__name__:
        case "Transpose":
            order = numbers[::-1] if operation.axes is None else np.array(operation.axes) % rank
        case "Permute":
            order = np.array([0, *operation.dims])
        case "Swapaxes":
            order = numbers.copy()
            order[[operation.axis1, operation.axis2]] = order[[operation.axis2, operation.axis1]]
        case _:
            return False
    return order.tolist() == [*range(rank - 2), rank - 1, rank - 2]


def shuffle(first: Call, middle: Call, last: Call, groups: int) -> Call:
    x = first.inputs[0]
    policy = keras.dtype_policies.get(x.dtype)
    layer = ChannelShuffle(groups, dtype=policy, name=middle.name)
    return Call(layer, (x,), {}, (x,), last.output)
