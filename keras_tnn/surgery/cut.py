"""The pass: fix utilization, follow the channels forward and backward, build what is left.

Forward, `Channels` says for every tensor which channels can vary and what the others hold.
Backward, a mask says which channels anybody reads. What is both alive and needed is built.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import keras
import numpy as np
from keras import ops

import keras_tnn.surgery.rules  # noqa: F401  (registers the rules)
from keras_tnn.gates import Gate
from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.builder import Builder
from keras_tnn.surgery.calls import Call, Graph, channel_axis, substitute, tensors_in, width
from keras_tnn.surgery.channels import Channels, CutTensor
from keras_tnn.surgery.registry import rule_of
from keras_tnn.surgery.rules.gating import check_known
from keras_tnn.surgery.slices import Slice


@dataclass(frozen=True)
class Cut:
    """A model with only what is active, and the slices of the whole that fill its weights.

    Attributes:
        model: plain `keras.Model`.
        slices: a `Slice` for each of its weights.
    """

    model: keras.Model
    slices: list[Slice]


def cut(
    graph: Graph, utilization: float, name: str, gates: Mapping[int, np.ndarray] | None = None
) -> Cut:
    """Cuts a model at one utilization. Weights are left unset: see `Cut.slices`.

    Args:
        graph: of the whole model.
        utilization: float in (0, 1].
        name: of the cut model.
        gates: values `(num_groups,)` in place of those that utilization gives: for the `id` of
            what a call of a gate makes, or of a layer that obeys one.
    """
    return cut_known(graph, known_utilization(graph, utilization), name, gates)


def known_utilization(graph: Graph, utilization: float) -> dict[int, np.ndarray]:
    """The value of the input named "utilization", by its `id`."""
    value = np.array([utilization], "float32")
    return {id(x): value for x in graph.inputs if x.name == "utilization"}


def cut_known(
    graph: Graph,
    known: dict[int, np.ndarray],
    name: str,
    gates: Mapping[int, np.ndarray] | None = None,
    keep_gates: bool = False,
) -> Cut:
    """As `cut`, for any tensors of known value.

    Args:
        graph: of the whole model.
        known: values of tensors, by `id`; extended in place.
        name: of the cut model.
        gates: as for `cut`.
        keep_gates: whether gates that read the data stay in the cut model; otherwise they are
            an error.
    """
    calls, channels = forward(graph, known, gates)
    for call in calls:
        if isinstance(call.operation, Gated) and not keep_gates:
            check_known(call)
    needed = backward(graph, calls, channels)
    return build(graph, calls, channels, needed, known, name)


def forward(graph: Graph, known: dict, gates: Mapping[int, np.ndarray] | None = None):
    """What is known of every tensor: its value in `known`, or its channels."""
    channels = {id(x): Channels.all_alive(width(x)) for x in graph.inputs if id(x) not in known}
    calls = []
    for call in graph.calls:
        given = (gates or {}).get(id(call.outputs[0]))
        decided = given is not None and isinstance(call.operation, Gate)
        # A gate whose values are given need not draw them; its state may be asked for.
        asked = not decided or len(call.outputs) > 1
        if asked and call.inputs and all(id(x) in known for x in call.sources):
            known |= evaluate(call, known)
        if decided:
            known[id(call.outputs[0])] = given[None]
            states = [x for x in call.outputs[1:] if id(x) not in known]
            channels |= {id(x): Channels.all_alive(width(x)) for x in states}
        if id(call.outputs[0]) in known:
            continue
        features = tuple(x for x in call.inputs if id(x) not in known)
        values = {id(x): known[id(x)] for x in call.inputs if id(x) in known}
        if given is not None and isinstance(call.operation, Gated):
            first, control, *others = call.inputs
            features, values = (first, *others), {id(control): given[None]}
        call = replace(call, inputs=features, known=values)
        inputs = [channels[id(x)] for x in features]
        channels |= by_output(call, rule_of(call).forward(call, inputs))
        calls.append(call)
    return calls, channels


def by_output(call: Call, made: Channels) -> dict[int, Channels]:
    """What is known of each output of a call, by its `id`."""
    return dict(zip(map(id, call.outputs), made.of_each(call.outputs), strict=True))


def wanted_of(call: Call, channels: dict, needed: dict) -> np.ndarray:
    """The channels of the outputs, side by side, that vary and are read."""
    return np.concatenate([needed[id(x)] & channels[id(x)].alive for x in call.outputs])


def evaluate(call: Call, known: dict) -> dict[int, np.ndarray]:
    """The values, by `id`, that a call makes which depends on utilization alone."""
    values = {id(x): ops.convert_to_tensor(known[id(x)]) for x in call.sources}
    args, kwargs = substitute((call.args, call.kwargs), values)
    made = keras.tree.flatten(call.operation(*args, **kwargs))
    return {id(x): ops.convert_to_numpy(y) for x, y in zip(call.outputs, made, strict=True)}


def backward(graph: Graph, calls: list[Call], channels: dict) -> dict:
    """For every tensor, which of its channels anybody reads."""
    needed = {key: np.zeros(known.size, bool) for key, known in channels.items()}
    for output in tensors_in(graph.outputs):
        needed[id(output)][:] = True
    for call in reversed(calls):
        for x, read in zip(call.sources, reads_of(call, channels, needed), strict=True):
            if id(x) in needed:  # a mask may be known
                needed[id(x)] |= read
    return needed


def reads_of(call: Call, channels: dict, needed: dict) -> list[np.ndarray]:
    """Which channels of each input a call reads, and whether its masks."""
    inputs = [channels[id(x)] for x in call.inputs]
    wanted = wanted_of(call, channels, needed)  # constants are not computed
    runs = wanted.any()
    nothing = [np.zeros(x.size, bool) for x in inputs]
    reads = rule_of(call).backward(call, inputs, wanted) if runs else nothing
    masks = (np.full(width(x), runs) for x in call.masks)
    return [*reads, *masks, *(np.zeros(width(x), bool) for x in call.anchors)]


def build(graph, calls, channels, needed, known, name, builder=None) -> Cut:
    """Repeats the calls, by a builder, with the channels that are alive and needed."""
    builder = builder or Builder(known)
    pieces = {}
    for x in graph.inputs:
        if id(x) not in known:
            fresh = keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)
            whole = channels[id(x)]
            pieces[id(x)] = CutTensor(fresh, np.arange(whole.size), whole, channel_axis(x))
    inputs = without_known(graph.input_structure, {key: p.tensor for key, p in pieces.items()})
    for call in calls:
        masks = {id(x): pieces[id(x)].tensor for x in call.masks if id(x) in pieces}
        builder.masks |= masks | {id(x): any_tensor(x, pieces) for x in call.anchors}
        read = [pieces[id(x)] for x in call.inputs]
        made = pieces_of(call, read, channels, needed, builder)
        pieces |= zip(map(id, call.outputs), made, strict=True)
    outputs = keras.tree.map_structure(
        lambda x: pieces[id(x)].align(np.arange(channels[id(x)].size), "output"), graph.outputs
    )
    return Cut(keras.Model(inputs, outputs, name=name), builder.slices)


def any_tensor(wanted, pieces: dict[int, CutTensor]):
    """What is left of a tensor, or of another one where nothing is."""
    candidates = (*filter(None, [pieces.get(id(wanted))]), *pieces.values())
    return next(piece.tensor for piece in candidates if piece.tensor is not None)


def pieces_of(call: Call, read: list[CutTensor], channels, needed, builder) -> list[CutTensor]:
    """What a call makes in the cut model, a tensor for each output."""
    made = [channels[id(x)] for x in call.outputs]
    if not wanted_of(call, channels, needed).any():
        return [CutTensor(None, np.array([], int), one) for one in made]
    read_of_each = np.concatenate([needed[id(x)] for x in call.outputs])
    built = rule_of(call).build(call, read, Channels.side_by_side(made), read_of_each, builder)
    built = built if isinstance(built, list) else [built]
    pairs = zip(built, call.outputs, strict=True)
    return [replace(piece, axis=channel_axis(x)) for piece, x in pairs]


def without_known(structure, fresh: dict[int, keras.KerasTensor]):
    """The model's inputs as the user passes them, without utilization; one alone is bare."""
    if isinstance(structure, dict):
        return {name: fresh[id(x)] for name, x in structure.items() if id(x) in fresh}
    left = [fresh[id(x)] for x in keras.tree.flatten(structure) if id(x) in fresh]
    return left[0] if len(left) == 1 else left
