"""Layers that treat each channel by itself: activations, pooling, dropout, padding."""

import keras
import numpy as np
from keras import layers, ops

from keras_tnn.surgery.channels import Channels, Piece
from keras_tnn.surgery.rule import Rule, rule

ELEMENTWISE = (
    keras.activations.celu,
    keras.activations.elu,
    keras.activations.exponential,
    keras.activations.gelu,
    keras.activations.hard_sigmoid,
    keras.activations.hard_silu,
    keras.activations.hard_tanh,
    keras.activations.leaky_relu,
    keras.activations.linear,
    keras.activations.log_sigmoid,
    keras.activations.mish,
    keras.activations.relu,
    keras.activations.relu6,
    keras.activations.selu,
    keras.activations.sigmoid,
    keras.activations.silu,
    keras.activations.softplus,
    keras.activations.softsign,
    keras.activations.tanh,
)


def is_elementwise(activation) -> bool:
    """Whether an activation treats each entry by itself; softmax does not."""
    return activation is None or any(activation is known for known in ELEMENTWISE)


def activate(activation, values: np.ndarray) -> np.ndarray:
    """Applies an activation function, or None, to a vector of constants."""
    if activation is None:
        return values
    return ops.convert_to_numpy(activation(ops.convert_to_tensor(values, "float32")))


class PerChannel(Rule):
    """Output channel i depends on input channel i alone. Subclasses say what `fill` becomes.

    Where `fill` answers NaN, the constant does not stay one and the channel is kept.
    """

    def fill(self, call, fill: np.ndarray) -> np.ndarray:
        """The output constants for input constants `fill`, both `(channels,)`."""
        return fill

    def slices(self, call, kept: np.ndarray) -> list[tuple]:
        """For each weight of the layer, its kept indices an axis. Default: one axis, channels."""
        return [(kept,) for _ in call.operation.weights]

    def forward(self, call, inputs):
        fill = self.fill(call, inputs[0].fill)
        return Channels(inputs[0].alive | np.isnan(fill), fill)

    def backward(self, call, inputs, needed):
        return [needed]

    def build(self, call, inputs, output, needed, builder):
        kept = np.flatnonzero(output.alive & needed)
        if not len(kept):
            return Piece(None, kept, output)
        tensor = inputs[0].align(kept, call.name)
        return Piece(builder.repeat(call, [tensor], self.slices(call, kept)), kept, output)


@rule(
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.AlphaDropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
)
class KeepsConstants(PerChannel):
    """Pooling a constant gives the constant; dropout does nothing at inference."""

    def fill(self, call, fill):
        if getattr(call.operation, "data_format", "channels_last") != "channels_last":
            raise ValueError(f"Layer '{call.name}' is channels_first. Expected channels_last.")
        return fill


@rule(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
class ZeroPadding(PerChannel):
    """Zeros stay zeros; any other constant is no longer one beside the padding."""

    def fill(self, call, fill):
        return np.where(fill == 0, 0, np.nan)


@rule(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU)
class ElementwiseActivation(PerChannel):
    """An activation layer; a softmax over the channels falls back to the whole tensor."""

    def is_elementwise(self, call) -> bool:
        return is_elementwise(getattr(call.operation, "activation", None))

    def fill(self, call, fill):
        layer = call.operation
        return ops.convert_to_numpy(ops.cast(layer(ops.convert_to_tensor(fill)), "float32"))

    def forward(self, call, inputs):
        if self.is_elementwise(call):
            return super().forward(call, inputs)
        return Rule.forward(self, call, inputs)

    def backward(self, call, inputs, needed):
        if self.is_elementwise(call):
            return [needed]
        return Rule.backward(self, call, inputs, needed)

    def build(self, call, inputs, output, needed, builder):
        if self.is_elementwise(call):
            return super().build(call, inputs, output, needed, builder)
        return Rule.build(self, call, inputs, output, needed, builder)
