"""Widthwise gating of any tensor: groups of channels are switched off as one."""

import keras

from keras_tnn.layers.gated import ChannelsOnAxis, split_inputs


@keras.saving.register_keras_serializable(package="keras_tnn")
class ChannelGate(ChannelsOnAxis, keras.layers.Layer):
    """Multiplies groups of channels by their gates: y = g(x, u) * x (liu2022, Eq. 2).

    Placed after a normalisation and its activation, it makes closed channels exactly zero, which
    is what lets `materialize` cut them. At u = 1 it is the identity.

    Args:
        num_groups: Integer, the cardinality D; must divide the channels.
        gate: `keras_tnn.gates.Gate`. Defaults to a nested gate of `num_groups`.
        min_groups: Integer, how many groups stay open at any utilization. Defaults to 1.
        channel_groups: for each channel the number of its group, or -1 where it is always open.
            By default groups are contiguous and of one size, so D must divide the channels.
        channel_axis: Integer, on which the channels lie, such as 1 for `channels_first`. The last
            by default.

    Call arguments:
        inputs: `[features, control]`: features `(batch, ..., channels)`; control is utilization
            of shape `()` or `(batch,)`, or gates of shape `(batch, num_groups)`.

    Input shape:
        `[(batch, ..., channels), (batch,)]`.

    Output shape:
        `(batch, ..., channels)`, as the features.

    Raises:
        ValueError: if `num_groups` does not divide the channels, or `channel_groups` does not
            name one group for each channel.

    Example:

    >>> gate = ChannelGate(num_groups=2)
    >>> gate([np.ones((1, 4)), np.array([0.5])]).numpy().tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """

    def build(self, input_shape):
        self.check_channel_groups(input_shape[0][self.channel_axis])
        self.build_gate(input_shape)
        self.built = True

    def call(self, inputs, training=None):
        features, control = split_inputs(self, inputs)
        gates = self.open_groups(control, features, training)
        return features * self.spread(gates, features, self.channel_axis)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def compute_output_spec(self, inputs, training=None):
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)
