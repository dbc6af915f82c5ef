"""Aggregation by sum: the gated branches of a ResNeXt block are added up."""

import keras
import numpy as np
from keras import ops

from keras_tnn.layers.gated import Gated, split_inputs


@keras.saving.register_keras_serializable(package="keras_tnn")
class GroupedSum(Gated, keras.layers.Layer):
    """Sums D groups of channels, each times its gate: y = sum_i g_i(x, u) f_i(x) (liu2022, Eq. 2).

    The input holds the outputs f_1 .. f_D of the branches one after another along the channels,
    as a grouped convolution leaves them. With `num_groups=1` it is the identity at u = 1.

    Args:
        num_groups: Integer, the cardinality D; must divide the channels.
        gate: `keras_tnn.gates.Gate`. Defaults to a nested gate of `num_groups`.
        min_groups: Integer, how many groups stay open at any utilization. Defaults to 0: a
            residual shortcut feeds the next layer.

    Call arguments:
        inputs: `[features, control]`: features `(batch, ..., D * channels)`; control is
            utilization of shape `()` or `(batch,)`, or gates of shape `(batch, num_groups)`.

    Input shape:
        `[(batch, ..., D * channels), (batch,)]`.

    Output shape:
        `(batch, ..., channels)`.

    Raises:
        ValueError: if `num_groups` does not divide the channels.

    Example:

    >>> layer = GroupedSum(num_groups=2)
    >>> layer([np.array([[1.0, 2.0, 10.0, 20.0]]), np.array([0.5])]).numpy().tolist()
    [[1.0, 2.0]]
    """

    default_min_groups = 0

    def build(self, input_shape):
        self.check_groups(input_shape[0][-1])
        self.build_gate(input_shape)
        self.built = True

    def groups_of(self, channels):
        """Each channel is a sum over the groups: these are the terms, one of each."""
        return np.arange(self.num_groups)

    def call(self, inputs, training=None):
        features, control = split_inputs(self, inputs)
        gates = ops.cast(self.open_groups(control, features, training), features.dtype)
        # (batch, ..., D * channels) -> (batch, ..., D, channels)
        shape = features.shape[1:-1]
        channels = features.shape[-1] // self.num_groups
        branches = ops.reshape(features, (-1, *shape, self.num_groups, channels))
        gates = ops.reshape(gates, (-1, *(1,) * len(shape), self.num_groups, 1))
        return ops.sum(branches * gates, axis=-2)

    def compute_output_shape(self, input_shape):
        features = input_shape[0]
        return (*features[:-1], features[-1] // self.num_groups)

    def compute_output_spec(self, inputs, training=None):
        shape = self.compute_output_shape([inputs[0].shape, None])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
