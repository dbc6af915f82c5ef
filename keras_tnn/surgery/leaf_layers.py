"""The layers of a model, those of nested models among them."""

from collections.abc import Iterator

import keras


def leaf_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model, in the place of nested models those that these hold."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaf_layers(layer)
        else:
            yield layer
