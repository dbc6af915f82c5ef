"""Where exits stand: by default at 1/4 and 3/4 of each stage (wang2019, IV-A and Fig. 5a)."""

import itertools
import math
from collections.abc import Sequence

import keras

from keras_tnn.exits.passages import Block, blocks
from keras_tnn.layers import ChannelGate
from keras_tnn.surgery.calls import Graph, tensors_in

DEPTHS = (1 / 4, 3 / 4)


def default_places(graph: Graph, name: str) -> list:
    """The tensors at 1/4 and 3/4 of each stage, in order of depth.

    A stage is a run of blocks whose feature maps have one resolution. Blocks are those in which
    paths meet, where a model has such, and else layers. The model's last block is no place: an
    exit behind it would cost what the model costs.

    Args:
        graph: of the model.
        name: of the model.

    Raises:
        ValueError: if there is no place for an exit.
    """
    every = blocks(graph)
    maps = [block for block in every if block.resolution] or every
    counted = [block for block in maps if block.joins] or maps
    found = [
        block.end
        for _, stage in itertools.groupby(counted, key=lambda block: block.resolution)
        for block in at_depths([*stage])
        if block is not maps[-1]
    ]
    if not found:
        raise ValueError(
            f"Model '{name}' has no place for an exit by default: it is one block. Expected "
            "names of layers in `at`."
        )
    return found


def at_depths(stage: list[Block]) -> list[Block]:
    """The blocks that end at 1/4 and at 3/4 of a stage; of 8 the second and the sixth."""
    numbers = {max(1, math.floor(depth * len(stage) + 1 / 2)) for depth in DEPTHS}
    return [stage[number - 1] for number in sorted(numbers)]


def named_places(graph: Graph, names: Sequence[str], model: keras.Model) -> list:
    """What layers of these names make, in order of depth; of a shared layer its last call.

    What a layer or model makes that holds others is what the last of them makes.

    Raises:
        ValueError: if there are no names, or one is unknown, twice there or the model's output.
    """
    names = [names] if isinstance(names, str) else [*names]
    if not names or len({*names}) < len(names):
        raise ValueError(
            "Invalid value for `at`. Expected one or more names of layers, each once: a model "
            f"without a further exit has its own output only. Received: at={names}"
        )
    order = {name: n for n, call in enumerate(graph.calls) for name in (*call.within, call.name)}
    made = {name: graph.calls[number].outputs[0] for name, number in order.items()}
    if unknown := [name for name in names if name not in made]:
        raise ValueError(
            f"Invalid value for `at`. Expected names of layers of '{model.name}'. "
            f"Received: {unknown}"
        )
    ends = {id(x) for x in tensors_in(graph.outputs)}
    if behind := [name for name in names if id(made[name]) in ends]:
        raise ValueError(
            f"Invalid value for `at`. Expected layers before the output of '{model.name}', which "
            f"is its last exit anyway. Received: {behind}"
        )
    return [gated(graph, made[name]) for name in sorted(names, key=order.get)]


def gated(graph: Graph, tensor):
    """The tensor behind the gate of its channels, where one follows: closed ones are zero there."""
    readers = [call for call in graph.calls if any(x is tensor for x in call.sources)]
    alone = len(readers) == 1 and isinstance(readers[0].operation, ChannelGate)
    return gated(graph, readers[0].output) if alone else tensor
