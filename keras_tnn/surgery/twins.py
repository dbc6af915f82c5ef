"""Weights carried between a throttled model and its vanilla twin."""

import keras

from keras_tnn.gates import Gate


def copy_weights(source: keras.Model, target: keras.Model) -> keras.Model:
    """Copies the weights of every layer of `source` to the layer of the same name in `target`.

    Gates keep their own.

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
    layers = [
        {x.name: x for x in model.layers if x.weights and not isinstance(x, Gate)}
        for model in (source, target)
    ]
    if layers[0].keys() != layers[1].keys():
        raise ValueError(
            "Expected twins, with weights in layers of the same names. Only in one of them: "
            f"{sorted(layers[0].keys() ^ layers[1].keys())}"
        )
    for name, layer in layers[0].items():
        layers[1][name].set_weights(layer.get_weights())
    return target
