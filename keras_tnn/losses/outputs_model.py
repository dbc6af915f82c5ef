"""A model whose compiled loss is made of the losses of another model's outputs."""

import warnings
from collections.abc import Callable

import keras

BY_SHAPE = ("crossentropy", "ce")  # names for which Keras chooses the loss by the shapes


class OutputsModel(keras.Model):
    """Hands outputs on. Its loss has the structure and the weights of the model's compiled one.

    So lists, dictionaries and weights of losses, and sample weights, mean what they mean to `fit`.

    Args:
        model: a compiled model.
        loss_of: from the loss of an output, as `compile` takes it, or None, the one in its place.
    """

    def __init__(self, model: keras.Model, loss_of: Callable):
        outputs = keras.tree.flatten(model.output)
        inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in outputs]
        handed_on = [
            keras.layers.Identity(name=name, dtype=x.dtype)(x)
            for name, x in zip(model.output_names, inputs, strict=True)
        ]
        super().__init__(inputs, keras.tree.pack_sequence_as(model.output, handed_on))
        with warnings.catch_warnings():  # Keras serialises all of it, and warns of functions
            warnings.simplefilter("ignore")
            config = model.get_compile_config() or {}
        self.compile(
            loss=keras.tree.map_structure(loss_of, model.loss),
            loss_weights=config.get("loss_weights"),
        )
