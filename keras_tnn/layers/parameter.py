"""A weight as a node of a functional model."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_tnn")
class Parameter(keras.layers.Layer):
    """A trained tensor that is the same for every sample, whatever it is called on.

    A functional model knows layers and operations, and no weights beside them. Where `throttle`
    follows a layer that scales by a weight of its own, as in `x * self.gamma`, the weight becomes
    a node: `x * Parameter(shape)(x)`.

    Args:
        shape: integers, of the weight, all of them: no batch.
        initializer: of the weight, as `add_weight` takes it.
        weight_dtype: dtype of the weight; that of the layer's variables by default.
        autocast: whether a weight of floats is returned in the compute dtype of the layer.
        regularizer, constraint: of the weight, as `add_weight` takes them.

    Call arguments:
        inputs: any tensor of the model. It is not read: a functional model holds no layer that is
            called on nothing.

    Input shape:
        Any.

    Output shape:
        `shape`.

    Example:

    >>> x = keras.Input((8, 8, 4))
    >>> gamma = keras_tnn.layers.Parameter((4,), initializer="ones")(x)
    >>> model = keras.Model(x, x * gamma)
    >>> model.count_params()
    4
    """

    def __init__(
        self,
        shape,
        initializer="zeros",
        weight_dtype=None,
        autocast=True,
        regularizer=None,
        constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.initializer = keras.initializers.get(initializer)
        self.weight_dtype = weight_dtype
        self.weight_autocast = autocast
        self.regularizer = keras.regularizers.get(regularizer)
        self.constraint = keras.constraints.get(constraint)
        self.parameter = None

    @classmethod
    def holding(cls, variable: keras.Variable, **kwargs) -> Parameter:
        """A layer around a weight that there is already: the same one, not a copy."""
        layer = cls(
            variable.shape,
            weight_dtype=variable.dtype,
            regularizer=variable.regularizer,
            constraint=variable.constraint,
            **kwargs,
        )
        layer.parameter = variable
        layer.built = True
        # Whether it is cast is not public: one call on nothing tells.
        made = layer(keras.KerasTensor((1,)))
        layer.weight_autocast = made.dtype == layer.compute_dtype
        return layer

    def build(self, input_shape):
        self.parameter = self.add_weight(
            shape=self.shape,
            initializer=self.initializer,
            dtype=self.weight_dtype,
            trainable=keras.backend.is_float_dtype(self.weight_dtype or self.variable_dtype),
            autocast=self.weight_autocast,
            regularizer=self.regularizer,
            constraint=self.constraint,
            name="parameter",
        )

    def call(self, inputs):
        return ops.convert_to_tensor(self.parameter)

    def get_config(self):
        return {
            **super().get_config(),
            "shape": self.shape,
            "initializer": keras.initializers.serialize(self.initializer),
            "weight_dtype": self.weight_dtype,
            "autocast": self.weight_autocast,
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "constraint": keras.constraints.serialize(self.constraint),
        }
