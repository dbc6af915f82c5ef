"""A trained Keras model gets early exits: branch classifiers on the way to its output."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import keras

from keras_tnn.exits.exit_gates import exit_gate
from keras_tnn.exits.exits_model import (
    ExitsModel,
    GatedExitsModel,
    ThrottledExitsModel,
    ThrottledGatedExitsModel,
)
from keras_tnn.exits.heads import BranchHead, last_map, with_head
from keras_tnn.exits.places import default_places, named_places
from keras_tnn.surgery.calls import Graph, substitute, tensors_in
from keras_tnn.surgery.copied_graph import copied_graph
from keras_tnn.surgery.graph import read_graph
from keras_tnn.utilization import has_dial

CLASSES = {  # whether there is a dial, and gates at the exits
    (False, False): ExitsModel,
    (False, True): GatedExitsModel,
    (True, False): ThrottledExitsModel,
    (True, True): ThrottledGatedExitsModel,
}


def add_exits(
    model: keras.Model,
    at: Sequence[str] | None = None,
    head: Callable | None = None,
    gate: Callable | bool = False,
    name: str | None = None,
) -> ExitsModel | GatedExitsModel | ThrottledExitsModel | ThrottledGatedExitsModel:
    """Adds early exits to a functional or sequential model (wang2019, III-B, "RADI").

    The result has the model's layers, with their weights and not copies of them, and its output
    as the last exit: what that answers does not change by adding exits. Training goes on with the
    same layers, "end to end" in the paper. Only where exits stand inside layers that are built
    from layers, such as the encoder of a transformer, it has copies of all layers, side by side.
    A `keras_tnn.ThrottledModel` keeps its dial: u and the exit together are an operating point.

    Args:
        model: built functional or sequential model with one output, plain or throttled.
        at: names of layers whose outputs get an exit; one inside a layer is called as that layer,
            an underscore, and its own name. By default exits stand at 1/4 and 3/4 of
            each stage, a run of blocks whose feature maps have one resolution (IV-A).
        head: a function of `(features, name)` that returns the exit's output, a tensor of the
            shape of the model's, from the features where it stands; `name` is free for its last
            layer. By default the paper's branch classifier: convolutions, behind more max pooling
            the finer the features are, then global average pooling and a dense layer as the
            model's last.
        gate: whether each early exit has a gate that learns when to stop (herrmann2019, S1.5); or
            a function of `(features, name)` that returns the log-odds of stopping, `(batch, 1)`.
            By default `keras_tnn.exits.exit_gate`.
        name: of the result; the model's by default.

    Returns:
        `keras_tnn.exits.ExitsModel`, `ThrottledExitsModel` for a model with a dial, or with gates
        `GatedExitsModel` or `ThrottledGatedExitsModel`: a functional model whose outputs are those
        of all exits in order of depth. Exits are named "exit1", "exit2" and so on, the last one as
        the model's output layer: `exit_names`. Not compiled.

    Raises:
        ValueError: if the model has no graph (subclassed, not built), has several outputs or has
            exits already, if a layer in `at` does not exist, is the output or stands there twice,
            if `at` is empty, or if `head` or `gate` returns something of another shape.

    Example:

    >>> network = keras_tnn.models.ResNet((8, 8, 3), 10, depth=14, width=4, throttled=False)
    >>> model = add_exits(network, at=["stage1_block2_relu", "stage2_block2_relu"])
    >>> model.exit_names
    ('exit1', 'exit2', 'predictions')
    >>> model.exit_costs()  # MACs up to each exit, with its head
    {'exit1': 53152, 'exit2': 81312, 'predictions': 109472}
    """
    graph = graph_with_places(model, at)
    places = default_places(graph, model.name) if at is None else named_places(graph, at, model)
    head = head or BranchHead(graph, last_map(graph))
    taken = {call.name for call in graph.calls} | {x.name for x in graph.inputs}
    check_gate(gate)
    outputs, gates = [], []
    for number, features in enumerate(places, start=1):
        label = free_name(f"exit{number}", taken)
        made = with_head(head, features, label, graph.outputs.shape, "head")
        outputs.append(named(made, label, graph))
        if gate:
            decide = exit_gate if gate is True else gate
            odds = with_head(decide, features, f"{label}_gate", (None, 1), "gate")
            gates.append(named(odds, f"{label}_gate", graph))
    cls = CLASSES[has_dial(graph), bool(gate)]
    result = cls(graph.input_structure, [*outputs, graph.outputs, *gates], name=name or model.name)
    if has_dial(graph):
        result.statistics_level = getattr(model, "statistics_level", None)
    return result


def named(tensor, name: str, graph: Graph):
    """The tensor as an output of this name: that of the layer that makes it."""
    if keras.Model(graph.input_structure, tensor).output_names == [name]:
        return tensor
    return keras.layers.Identity(name=name, dtype=tensor.dtype)(tensor)


def check_gate(gate):
    if not isinstance(gate, bool) and not callable(gate):
        raise ValueError(
            "Invalid value for `gate`. Expected True, False or a function of (features, name). "
            f"Received: gate={gate!r}"
        )


def free_name(name: str, taken: set[str]) -> str:
    """`name`, or a longer one where the model has a layer of this name."""
    while name in taken:
        name += "_"
    return name


def graph_with_places(model: keras.Model, at: Sequence[str] | None) -> Graph:
    """The model's calls, with the very same layers; if places lie inside layers, of copies."""
    graph = sharing_graph(model)
    names = [at] if isinstance(at, str) else at
    if names is not None and {call.name for call in graph.calls}.issuperset(names):
        return graph
    inside = read_graph(model)
    if len(inside.calls) == len(graph.calls):  # nothing is built from layers
        return graph
    inside = copied_graph(inside)
    return with_bare_structures(inside)


def sharing_graph(model: keras.Model) -> Graph:
    """The model's calls once more, with the very same layers, those of nested models in line.

    Raises:
        ValueError: if the model has no graph, several outputs, or exits.
    """
    if getattr(model, "exit_names", None):
        raise ValueError(
            f"Model '{model.name}' has exits already: {list(model.exit_names)}. Expected a model "
            "without, and all exits in one call."
        )
    graph = read_graph(model, composites=False)
    if len(tensors_in(graph.outputs)) != 1:
        raise ValueError(
            "Invalid value for `model`. Expected a model with one output. "
            f"Received: '{model.name}' with the outputs {model.output_names}"
        )
    graph = with_bare_structures(graph)
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        return with_models_opened(graph)
    return graph


def with_bare_structures(graph: Graph) -> Graph:
    """One input or output alone is no list."""
    structures = {name: unwrapped(getattr(graph, name)) for name in ("outputs", "input_structure")}
    return replace(graph, **structures)


def unwrapped(structure):
    """The one tensor in a list of one; anything else as it is."""
    one = isinstance(structure, (list, tuple)) and len(structure) == 1
    return structure[0] if one else structure


def with_models_opened(graph: Graph) -> Graph:
    """The graph of a model that has no models inside.

    Where there are some, what the model's later layers read is the output of a nested model and
    not of the layer in it.
    """
    tensors = {id(x): x for x in graph.inputs}
    for call in graph.calls:
        args, kwargs = substitute((call.args, call.kwargs), tensors)
        made = tensors_in(call.operation(*args, **kwargs))
        tensors |= {id(old): new for old, new in zip(call.outputs, made, strict=True)}
    outputs = substitute(graph.outputs, tensors)
    return read_graph(keras.Model(graph.input_structure, outputs), composites=False)
