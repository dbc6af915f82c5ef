"""A plain Keras 3 network as data, from which `rebuild.py` makes it again in Keras 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

    from keras_tnn.surgery.calls import Call

CHECKED = 2  # samples on which both networks must agree, tensor by tensor


def describe(
    model: keras.Model, samples: Sequence[np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Lists the calls of a network, with its weights and what it computes on some samples.

    What works at training only, such as dropout, is left out.

    Args:
        model: A functional model of layers.
        samples: An array for each input.

    Returns:
        What JSON can hold: `inputs` (shapes and dtypes), `calls` and `outputs`; tensors are
        numbered, inputs first. And arrays by name: `weight/<layer>/<number>`, `value/<tensor>`.

    Raises:
        ValueError: If it calls anything but layers on tensors, or a layer twice.
    """
    import keras

    from keras_tnn.surgery.calls import tensors_in
    from keras_tnn.surgery.graph import read_graph
    from keras_tnn.surgery.registry import rule_of

    graph = read_graph(model)
    numbers = {id(x): number for number, x in enumerate(graph.inputs)}
    calls, weights, tensors = [], {}, []
    for call in graph.calls:
        if rule_of(call).at_training_only:
            numbers[id(call.output)] = numbers[id(call.inputs[0])]
            continue
        _check(call, {one["layer"] for one in calls})
        numbers[id(call.outputs[0])] = len(numbers)
        tensors.append(call.outputs[0])
        calls.append(
            {
                "layer": call.name,
                "class_name": type(call.operation).__name__,
                "config": _plain(call.operation.get_config()),
                "inputs": [numbers[id(x)] for x in call.inputs],
                "output": numbers[id(call.outputs[0])],
            }
        )
        for number, weight in enumerate(call.operation.get_weights()):
            weights[f"weight/{call.name}/{number}"] = weight
    probe = keras.Model(list(graph.inputs), tensors)
    values = probe([array[:CHECKED] for array in samples])
    arrays = {
        f"value/{numbers[id(x)]}": keras.ops.convert_to_numpy(value)
        for x, value in zip(tensors, keras.tree.flatten(values), strict=True)
    }
    description = {
        "inputs": [{"shape": list(x.shape[1:]), "dtype": x.dtype} for x in graph.inputs],
        "calls": calls,
        "outputs": [numbers[id(x)] for x in tensors_in(graph.outputs)],
    }
    return description, weights | arrays


def _check(call: Call, seen: set[str]) -> None:
    import keras

    layer = call.operation
    is_plain = isinstance(layer, keras.layers.Layer) and len(call.args) == 1
    if not is_plain or len(call.outputs) != 1 or call.name in seen:
        raise ValueError(
            "Invalid value for `model`. Expected layers on tensors, each called once, for "
            f"quantization='qat'. Received: '{call.name}' of class {type(layer).__name__}. Use "
            "layers in the place of keras.ops, or quantization='int8'"
        )


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """A layer's settings without what weights and their training alone need."""
    ends = ("_initializer", "_regularizer", "_constraint")
    gone = ("name", "trainable", "dtype", "quantization_config", "build_config")
    return {
        name: value
        for name, value in config.items()
        if name not in gone and not name.endswith(ends)
    }
