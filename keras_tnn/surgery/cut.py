"""The pass: fix utilization, follow the channels forward and backward, build what is left.

Forward, `Channels` says for every tensor which channels can vary and what the others hold.
Backward, a mask says which channels anybody reads. What is both alive and needed is built.
"""

from dataclasses import dataclass, replace

import keras
import numpy as np
from keras import ops

import keras_tnn.surgery.rules  # noqa: F401  (registers the rules)
from keras_tnn.surgery.builder import Builder
from keras_tnn.surgery.channels import Channels, Piece
from keras_tnn.surgery.graph import Call, Graph, tensors_in, width
from keras_tnn.surgery.rule import find_rule
from keras_tnn.surgery.slices import Slice


@dataclass(frozen=True)
class Cut:
    """A model with only what is active, and the slices of the whole that fill its weights."""

    model: keras.Model
    slices: list[Slice]


def cut(graph: Graph, utilization: float, name: str) -> Cut:
    """Cuts a model at one utilization. Weights are left unset: see `Cut.slices`."""
    known = {
        id(x): np.array([utilization], "float32") for x in graph.inputs if x.name == "utilization"
    }
    calls, channels = forward(graph, known)
    needed = backward(graph, calls, channels)
    return build(graph, calls, channels, needed, known, name)


def forward(graph: Graph, known: dict):
    """What is known of every tensor: its value in `known`, or its channels."""
    channels = {id(x): Channels.all_alive(width(x)) for x in graph.inputs if id(x) not in known}
    calls = []
    for call in graph.calls:
        if call.inputs and all(id(x) in known for x in call.inputs):
            known[id(call.output)] = evaluate(call, known)
            continue
        features = tuple(x for x in call.inputs if id(x) not in known)
        values = tuple(known[id(x)] for x in call.inputs if id(x) in known)
        call = replace(call, inputs=features, known=values)
        rule = find_rule(call.operation)
        channels[id(call.output)] = rule.forward(call, [channels[id(x)] for x in features])
        calls.append(call)
    return calls, channels


def evaluate(call: Call, known: dict) -> np.ndarray:
    """The value of a call that depends on utilization alone."""
    args, kwargs = keras.tree.map_structure(
        lambda x: ops.convert_to_tensor(known[id(x)]) if id(x) in known else x,
        (call.args, call.kwargs),
    )
    return ops.convert_to_numpy(call.operation(*args, **kwargs))


def backward(graph: Graph, calls: list[Call], channels: dict) -> dict:
    """For every tensor, which of its channels anybody reads."""
    needed = {key: np.zeros(known.size, bool) for key, known in channels.items()}
    for output in tensors_in(graph.outputs):
        needed[id(output)][:] = True
    for call in reversed(calls):
        wanted = needed[id(call.output)]
        if not wanted.any():
            continue
        inputs = [channels[id(x)] for x in call.inputs]
        reads = find_rule(call.operation).backward(call, inputs, wanted)
        for x, read in zip(call.inputs, reads, strict=True):
            needed[id(x)] |= read
    return needed


def build(graph, calls, channels, needed, known, name) -> Cut:
    """Repeats the calls with the channels that are alive and needed."""
    builder = Builder(known)
    pieces, inputs = {}, []
    for x in graph.inputs:
        if id(x) in known:
            continue
        fresh = keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)
        inputs.append(fresh)
        whole = channels[id(x)]
        pieces[id(x)] = Piece(fresh, np.arange(whole.size), whole)
    for call in calls:
        made, wanted = channels[id(call.output)], needed[id(call.output)]
        piece = Piece(None, np.array([], int), made)
        if wanted.any():
            read = [pieces[id(x)] for x in call.inputs]
            piece = find_rule(call.operation).build(call, read, made, wanted, builder)
        pieces[id(call.output)] = piece
    outputs = keras.tree.map_structure(
        lambda x: pieces[id(x)].align(np.arange(channels[id(x)].size), "output"), graph.outputs
    )
    return Cut(
        keras.Model(inputs[0] if len(inputs) == 1 else inputs, outputs, name=name), builder.slices
    )
