"""A network at every step of a sequence, read as its layers at every step."""

from collections.abc import Iterator
from dataclasses import replace

import keras
from keras import layers

from keras_tnn.surgery.calls import Call, Graph, substitute, tensors_in
from keras_tnn.surgery.graph import has_graph, read_graph
from keras_tnn.surgery.layout import lay_out


def open_steps(graph: Graph) -> Graph:
    """The graph with `TimeDistributed` layers in place of each `TimeDistributed` model.

    Models in which some call is not that of one layer on one tensor stay as they are.

    Args:
        graph: of a model, as `read_graph` lists it.

    Returns:
        `Graph`. Its new layers hold the layers of the models inside.
    """
    calls, made = [], {}
    for call in graph.calls:
        args, kwargs = substitute((call.args, call.kwargs), made)
        inputs = tensors_in(substitute(call.inputs, made))
        call = replace(call, args=args, kwargs=kwargs, inputs=inputs)
        opened = list(opened_calls(call)) if is_open(call) else [call]
        made[id(call.output)] = opened[-1].output
        calls += opened
    outputs = substitute(graph.outputs, made)
    return lay_out(replace(graph, calls=tuple(calls), outputs=outputs))


def is_open(call: Call) -> bool:
    """Whether a call is that of a chain of layers at every step."""
    layer = getattr(call.operation, "layer", None)
    if type(call.operation) is not layers.TimeDistributed or call.masks:
        return False
    if not isinstance(layer, keras.Model) or not has_graph(layer):
        return False
    read = [layer.inputs, *(inner.inputs for inner in read_graph(layer).calls)]
    kinds = [inner.operation for inner in read_graph(layer).calls]
    return all(len(x) == 1 for x in read) and all(isinstance(one, keras.Layer) for one in kinds)


def opened_calls(call: Call) -> Iterator[Call]:
    """The calls inside, each at every step."""
    inner = read_graph(call.operation.layer)
    made = {id(inner.inputs[0]): call.inputs[0]}
    for one in inner.calls:
        x = made[id(one.inputs[0])]
        wrapper = layers.TimeDistributed(one.operation, name=one.name)
        output = wrapper(x)
        made[id(one.output)] = output
        yield Call(wrapper, (x,), {}, (x,), output)
