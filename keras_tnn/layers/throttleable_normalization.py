"""Layer normalisation over open channels only."""

import keras
from keras import ops

from keras_tnn.layers.gated import GroupedChannels, split_inputs


@keras.saving.register_keras_serializable(package="keras_tnn")
class ThrottleableLayerNormalization(GroupedChannels, keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the channels that are open.

    Mean and variance are those of the open channels, whatever the closed ones hold; closed
    channels come out as zero. So the network that is cut to its open channels normalises as the
    masked one does, with the plain Keras layer. At u = 1 this is the plain Keras layer.

    Args:
        *args, **kwargs: as for `keras.layers.LayerNormalization`, over the last axis.
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
        ValueError: if the axis is not the last, `rms_scaling` is set, `num_groups` does not divide
            the channels, or `channel_groups` does not name one group for each channel.

    Example:

    >>> layer = ThrottleableLayerNormalization(num_groups=2, epsilon=1e-9)
    >>> y = layer([np.array([[1.0, 3.0, 50.0, 70.0]]), np.array([0.5])])
    >>> y.numpy().round(3).tolist()
    [[-1.0, 1.0, 0.0, 0.0]]
    """

    def build(self, input_shape):
        features_shape, _ = input_shape
        if self.axis not in (-1, [-1], len(features_shape) - 1) or self.rms_scaling:
            raise ValueError(
                f"Layer '{self.name}' normalises the last axis by mean and variance. "
                f"Received: axis={self.axis!r}, rms_scaling={self.rms_scaling!r}"
            )
        self.check_channel_groups(features_shape[-1])
        super().build(features_shape)
        self.build_gate(input_shape)

    def call(self, inputs, training=None):
        features, control = split_inputs(self, inputs)
        x = ops.cast(features, "float32")
        gates = self.spread(self.open_groups(control, features, training), x)
        is_open = ops.cast(gates > 0, x.dtype)
        count = ops.maximum(ops.sum(is_open, axis=-1, keepdims=True), 1.0)
        mean = ops.sum(is_open * x, axis=-1, keepdims=True) / count
        variance = ops.sum(is_open * ops.square(x - mean), axis=-1, keepdims=True) / count
        scale = ops.rsqrt(variance + self.epsilon)
        scale = scale * self.gamma if self.scale else scale
        shift = self.beta - mean * scale if self.center else -mean * scale
        outputs = x * scale + shift
        return ops.cast(outputs * gates, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def compute_output_spec(self, inputs, training=None):
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)
