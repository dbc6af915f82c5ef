"""Keras' own layers with a gate over their output channels.

Each is the plain Keras layer times a gate: at u = 1 the two are equal, and the weights have the
same names, shapes and order. The gate comes last, after the activation, so a closed group is
exactly zero. Between a convolution and its batch normalisation use the plain layer and put a
`ChannelGate` after the normalisation: zeros before it would be constants after it.
"""

import keras

from keras_tnn.layers.gated import Gated, split_inputs

DOCSTRING = """`keras.layers.{plain}` whose output channels are gated in groups.

    Computes g(x, u) * f(x), aggregated by concatenation (hostetler2019, Eq. 2; liu2022, Eq. 2).
    At u = 1 this is the plain Keras layer.

    Args:
        *args, **kwargs: as for `keras.layers.{plain}`.
        num_groups: Integer, the cardinality D; must divide the output channels.
        gate: `keras_tnn.gates.Gate`. Defaults to a nested gate of `num_groups`.
        min_groups: Integer, how many groups stay open at any utilization. Defaults to 1, so
            that the next layer has something to read; 0 where a shortcut feeds it.

    Call arguments:
        inputs: `[features, control]`: features as for the plain layer; control is utilization of
            shape `()` or `(batch,)`, or gates of shape `(batch, num_groups)`.

    Input shape:
        `[features_shape, (batch,)]`.

    Output shape:
        As of the plain layer, closed channels zero.

    Raises:
        ValueError: if `num_groups` does not divide the output channels, or the layer is not
            `channels_last`.

    Example:

    >>> layer = {name}({arguments}, num_groups=4)
    >>> y = layer([np.ones({shape}), np.array([0.5])])
    >>> [bool(np.any(group)) for group in np.split(y.numpy(), 4, axis=-1)]
    [True, True, False, False]
    """


class Throttleable(Gated):
    """Mixin before a Keras layer with output channels: calls it on the features, then gates."""

    def build(self, input_shape):
        if getattr(self, "data_format", "channels_last") != "channels_last":
            raise ValueError(
                "Invalid value for `data_format`. Expected 'channels_last'. "
                f"Received: data_format={self.data_format!r}"
            )
        features_shape, _ = input_shape
        self.check_groups(super().compute_output_shape(features_shape)[-1])
        super().build(features_shape)
        self.build_gate(input_shape)
        self.input_spec = [self.input_spec, None]

    def call(self, inputs, training=None):
        features, control = split_inputs(self, inputs)
        outputs = super().call(features)
        return outputs * self.spread(self.open_groups(control, features, training), outputs)

    def compute_output_shape(self, input_shape):
        # Keras' own `build` asks with the shape of the features alone.
        with_control = isinstance(input_shape[0], (list, tuple))
        return super().compute_output_shape(input_shape[0] if with_control else input_shape)

    def compute_output_spec(self, inputs, training=None):
        shape = self.compute_output_shape([inputs[0].shape, None])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)


def document(plain: str, arguments: str, shape: str = "", *, template: str = DOCSTRING, **words):
    """Class decorator: writes the shared docstring for one layer."""

    def decorate(cls):
        cls.__doc__ = template.format(
            plain=plain, name=cls.__name__, arguments=arguments, shape=shape, **words
        )
        return cls

    return decorate


register = keras.saving.register_keras_serializable(package="keras_tnn")


@register
@document("Conv1D", "8, 3", "(1, 5, 3)")
class ThrottleableConv1D(Throttleable, keras.layers.Conv1D):
    pass


@register
@document("Conv2D", "8, 3", "(1, 5, 5, 3)")
class ThrottleableConv2D(Throttleable, keras.layers.Conv2D):
    pass


@register
@document("Conv3D", "8, 3", "(1, 5, 5, 5, 3)")
class ThrottleableConv3D(Throttleable, keras.layers.Conv3D):
    pass


@register
@document("DepthwiseConv2D", "3", "(1, 5, 5, 8)")
class ThrottleableDepthwiseConv2D(Throttleable, keras.layers.DepthwiseConv2D):
    pass


@register
@document("SeparableConv2D", "8, 3", "(1, 5, 5, 3)")
class ThrottleableSeparableConv2D(Throttleable, keras.layers.SeparableConv2D):
    pass


@register
@document("Dense", "8", "(1, 3)")
class ThrottleableDense(Throttleable, keras.layers.Dense):
    pass
