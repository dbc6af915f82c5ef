"""Weights carried between a throttled model and its vanilla twin."""

import keras

from keras_tnn.gates import Gate
from keras_tnn.surgery.gate_fronts import layers_of_gates


def copy_weights(source: keras.Model, target: keras.Model) -> keras.Model:
    """Copies the weights of every layer of `source` to the layer of the same name in `target`.

    Gates, and the layers in front of them, keep their own.

    Args:
        source: model whose weights are read.
        target: model with a layer of the same name and weight shapes for each layer of `source`
            that has weights. Changed in place.

    Returns:
        `target`.

    Raises:
        ValueError: if the layers with weights are not the same in both.

    Example:

    >>> vanilla = keras_tnn.models.ResNet((32, 32, 3), 10, depth=8, throttled=False)
    >>> model = keras_tnn.models.ResNet((32, 32, 3), 10, depth=8)
    >>> model = keras_tnn.surgery.copy_weights(vanilla, model)
    """
    layers = [weighted_layers(model) for model in (source, target)]
    if layers[0].keys() != layers[1].keys():
        raise ValueError(
            "Expected twins, with weights in layers of the same names. Only in one of them: "
            f"{sorted(layers[0].keys() ^ layers[1].keys())}"
        )
    for name, layer in layers[0].items():
        layers[1][name].set_weights(layer.get_weights())
    return target


def weighted_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers of the network with weights, by name."""
    of_gates = {id(layer) for layer in layers_of_gates(model)}
    return {
        layer.name: layer
        for layer in model.layers
        if layer.weights and id(layer) not in of_gates and not isinstance(layer, Gate)
    }
