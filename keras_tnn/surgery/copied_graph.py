"""A model once more, with copies of its layers, and those inside layers side by side with them."""

from dataclasses import replace

import keras

from keras_tnn.surgery.builder import Builder
from keras_tnn.surgery.calls import Graph, features_in, substitute, tensors_in
from keras_tnn.surgery.slices import copy_all


def copied_graph(graph: Graph) -> Graph:
    """The calls of a graph with copies of its layers, of which models can be made.

    Layers inside layers may have equal names, and keep them there: the copies have the names of
    the calls. Their weights are equal to those of the graph's layers.

    Args:
        graph: as `read_graph` lists it.

    Returns:
        `Graph` of other tensors. What its calls name as `operation` are the layers of `graph`.
    """
    builder = Builder(merge_lora=False)
    tensors = {
        id(x): keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in graph.inputs
    }
    builder.masks = tensors
    calls = []
    for call in graph.calls:
        made = builder.repeat(call, [tensors[id(x)] for x in call.inputs])
        args, kwargs = substitute((call.args, call.kwargs), tensors)
        inputs = features_in(call.operation, args, kwargs)
        calls.append(replace(call, args=args, kwargs=kwargs, inputs=inputs, output=made))
        tensors |= zip(map(id, call.outputs), tensors_in(made), strict=True)
    inputs, structure, outputs = substitute(
        (graph.inputs, graph.input_structure, graph.outputs), tensors
    )
    copy_all(builder.slices, keras.Model(structure, outputs))
    return Graph(inputs, tuple(calls), outputs, structure)
