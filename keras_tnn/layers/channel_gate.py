"""Widthwise gating of any tensor: groups of channels are switched off as one."""

import keras

from keras_tnn.layers.gated import Gated, scale_channels, split_inputs


@keras.saving.register_keras_serializable(package="keras_tnn")
class ChannelGate(Gated, keras.layers.Layer):
    """Multiplies groups of channels by their gates: y = g(x, u) * x (liu2022, Eq. 2).

    Placed after a normalisation and its activation, it makes closed channels exactly zero, which
    is what lets `materialize` cut them. At u = 1 it is the identity.

    Args:
        num_groups: Integer, the cardinality D; must divide the channels.
        gate: `keras_tnn.gates.Gate`. Defaults to a nested gate of `num_groups`.
        min_groups: Integer, how many groups stay open at any utilization. Defaults to 1.
        channel_groups: for each channel the number of its group, or -1 where it is always open.
            By default groups are contiguous and of one size, so D must divide the channels.

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

    def __init__(self, num_groups=None, gate=None, min_groups=None, channel_groups=None, **kwargs):
        super().__init__(num_groups=num_groups, gate=gate, min_groups=min_groups, **kwargs)
        self.channel_groups = None if channel_groups is None else list(channel_groups)

    def build(self, input_shape):
        channels, groups = input_shape[0][-1], self.channel_groups
        if groups is None:
            self.check_groups(channels)
        elif len(groups) != channels or not set(groups) <= set(range(-1, self.num_groups)):
            raise ValueError(
                f"Invalid value for `channel_groups` in layer '{self.name}'. Expected {channels} "
                f"integers in [-1, {self.num_groups}), one a channel. "
                f"Received: channel_groups={groups}"
            )
        self.built = True

    def call(self, inputs, training=None):
        features, control = split_inputs(self, inputs)
        gates = self.open_groups(control, features, training)
        return scale_channels(features, gates, self.channel_groups)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def compute_output_spec(self, inputs, training=None):
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "channel_groups": self.channel_groups}
