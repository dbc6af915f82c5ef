"""What stands in front of gates: layers of a model that serve its gates and nothing else.

They are part of deciding: they cost what a gate costs, and train and freeze with the gates.
"""

import keras

from keras_tnn.gates import Gate
from keras_tnn.surgery.blocks import Readers
from keras_tnn.surgery.calls import Call, Graph
from keras_tnn.surgery.graph import read_graph


def front_calls(graph: Graph) -> list[Call]:
    """The calls of a graph that only gates read, directly or through others, in running order."""
    readers, fronts = Readers(graph), {}
    for call in reversed(graph.calls):
        read_by = [one for x in call.outputs for one in readers.read_by[id(x)]]
        serves = all(
            one is not None and (isinstance(one.operation, Gate) or id(one) in fronts)
            for one in read_by
        )
        if read_by and serves and not isinstance(call.operation, Gate):
            fronts[id(call)] = call
    return list(fronts.values())[::-1]


def layers_of_gates(model: keras.Model | Graph) -> list[keras.layers.Layer]:
    """The layers with weights that serve the gates of a model alone.

    Args:
        model: functional model, or its graph.
    """
    graph = model if isinstance(model, Graph) else read_graph(model)
    fronts = front_calls(graph)
    serving = {id(call) for call in fronts}
    elsewhere = {id(call.operation) for call in graph.calls if id(call) not in serving}
    found = {id(call.operation): call.operation for call in fronts}
    return [
        layer
        for key, layer in found.items()
        if key not in elsewhere and getattr(layer, "weights", None)
    ]
