"""Normalisations over open channels only."""

import keras
from keras import ops

from keras_tnn.layers.open_normalization import OpenNormalization


@keras.saving.register_keras_serializable(package="keras_tnn")
class ThrottleableLayerNormalization(OpenNormalization, keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the channels that are open.

    Mean and variance are those of the open channels, whatever the closed ones hold; closed
    channels come out as zero. So the network that is cut to its open channels normalises as the
    masked one does, with the plain Keras layer. At u = 1 this is the plain Keras layer.

    Args:
        *args, **kwargs: as for `keras.layers.LayerNormalization`, over one axis or several.
        num_groups: Integer, the cardinality D; must divide the channels.
        gate: `keras_tnn.gates.Gate`. Defaults to a nested gate of `num_groups`.
        min_groups: Integer, how many groups stay open at any utilization. Defaults to 1.
        channel_groups: for each channel the number of its group, or -1 where it is always open.
            By default groups are contiguous and of one size, so D must divide the channels.
        channel_axis: Integer, on which the channels lie. The last by default.

    Call arguments:
        inputs: `[features, control]`: features `(batch, ..., channels)`; control is utilization
            of shape `()` or `(batch,)`, or gates of shape `(batch, num_groups)`.

    Input shape:
        `[(batch, ..., channels), (batch,)]`.

    Output shape:
        `(batch, ..., channels)`, as the features.

    Raises:
        ValueError: if the channels are not among the axes, `rms_scaling` is set, `num_groups` does
            not divide the channels, or `channel_groups` does not name one group for each channel.

    Example:

    >>> layer = ThrottleableLayerNormalization(num_groups=2, epsilon=1e-9)
    >>> y = layer([np.array([[1.0, 3.0, 50.0, 70.0]]), np.array([0.5])])
    >>> y.numpy().round(3).tolist()
    [[-1.0, 1.0, 0.0, 0.0]]
    """

    def check_axes(self, rank):
        super().check_axes(rank)
        if self.rms_scaling:
            raise ValueError(
                f"Layer '{self.name}' normalises by mean and variance. Expected "
                "keras.layers.RMSNormalization for another scale. Received: rms_scaling=True"
            )

    def normalized(self, x, is_open):
        axes = self.axes(len(x.shape))
        mean = self.mean_of_open(x, is_open, axes)
        variance = self.mean_of_open(ops.square(x - mean), is_open, axes)
        scale = ops.rsqrt(variance + self.epsilon)
        scale = scale * self.meeting(self.gamma, x) if self.scale else scale
        shift = self.meeting(self.beta, x) - mean * scale if self.center else -mean * scale
        return x * scale + shift


@keras.saving.register_keras_serializable(package="keras_tnn")
class ThrottleableRMSNormalization(OpenNormalization, keras.layers.RMSNormalization):
    """`keras.layers.RMSNormalization` over the channels that are open.

    The mean of the squares is that of the open channels, y = x / sqrt(mean(x ** 2) + epsilon);
    closed channels come out as zero. At u = 1 this is the plain Keras layer.

    Args:
        *args, **kwargs: as for `keras.layers.RMSNormalization`. Keras scales the last axes, so
            those that are normalised must be the last.
        num_groups: Integer, the cardinality D; must divide the channels.
        gate: `keras_tnn.gates.Gate`. Defaults to a nested gate of `num_groups`.
        min_groups: Integer, how many groups stay open at any utilization. Defaults to 1.
        channel_groups: for each channel the number of its group, or -1 where it is always open.
            By default groups are contiguous and of one size, so D must divide the channels.
        channel_axis: Integer, on which the channels lie. The last by default.

    Call arguments:
        inputs: `[features, control]`: features `(batch, ..., channels)`; control is utilization
            of shape `()` or `(batch,)`, or gates of shape `(batch, num_groups)`.

    Input shape:
        `[(batch, ..., channels), (batch,)]`.

    Output shape:
        `(batch, ..., channels)`, as the features.

    Raises:
        ValueError: if the channels are not among the axes, these are not the last, `num_groups`
            does not divide the channels, or `channel_groups` does not name one group for each.

    Example:

    >>> layer = ThrottleableRMSNormalization(num_groups=2, epsilon=1e-9)
    >>> layer([np.array([[3.0, 3.0, 50.0, 70.0]]), np.array([0.5])]).numpy().tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """

    def check_axes(self, rank):
        super().check_axes(rank)
        axes = self.axes(rank)
        if axes != [*range(rank - len(axes), rank)]:
            raise ValueError(
                f"Layer '{self.name}' scales the last axes, as its Keras layer does. Expected them "
                f"in `axis`. Received: axis={self.axis!r}"
            )

    def normalized(self, x, is_open):
        squares = self.mean_of_open(ops.square(x), is_open, self.axes(len(x.shape)))
        return x * ops.rsqrt(squares + self.epsilon) * ops.cast(self.scale, x.dtype)


@keras.saving.register_keras_serializable(package="keras_tnn")
class ThrottleableGroupNormalization(OpenNormalization, keras.layers.GroupNormalization):
    """`keras.layers.GroupNormalization` over the channels that are open.

    Mean and variance of each group are those of its open channels, at all positions; closed
    channels come out as zero. At u = 1 this is the plain Keras layer. To be cut, all groups must
    have equally many open channels, at the same places, as `throttle` opens them where the groups
    are fewer than the gate's. Of more groups whole ones open and close, in the plain layer.

    Args:
        *args, **kwargs: as for `keras.layers.GroupNormalization`.
        num_groups: Integer, the cardinality D; must divide the channels.
        gate: `keras_tnn.gates.Gate`. Defaults to a nested gate of `num_groups`.
        min_groups: Integer, how many groups stay open at any utilization. Defaults to 1.
        channel_groups: for each channel the number of its group, or -1 where it is always open.
            By default groups are contiguous and of one size, so D must divide the channels.
        channel_axis: Integer, on which the channels lie: `axis`. The last by default.

    Call arguments:
        inputs: `[features, control]`: features `(batch, ..., channels)`; control is utilization
            of shape `()` or `(batch,)`, or gates of shape `(batch, num_groups)`.

    Input shape:
        `[(batch, ..., channels), (batch,)]`.

    Output shape:
        `(batch, ..., channels)`, as the features.

    Raises:
        ValueError: if the channels do not lie on `axis`, `num_groups` does not divide the
            channels, or `channel_groups` does not name one group for each channel.

    Example:

    >>> layer = ThrottleableGroupNormalization(1, num_groups=2, epsilon=1e-9)
    >>> y = layer([np.array([[1.0, 3.0, 50.0, 70.0]]), np.array([0.5])])
    >>> y.numpy().round(3).tolist()
    [[-1.0, 1.0, 0.0, 0.0]]
    """

    def normalized(self, x, is_open):
        (axis,), rank = self.axes(len(x.shape)), len(x.shape)
        parted, is_open = (self.parted(one, axis) for one in (x, is_open))
        axes = [i for i in range(1, rank + 1) if i != axis]  # all but the groups
        mean = self.mean_of_open(parted, is_open, axes)
        variance = self.mean_of_open(ops.square(parted - mean), is_open, axes)
        parted = (parted - mean) * ops.rsqrt(variance + self.epsilon)
        outputs = ops.reshape(parted, ops.shape(x))
        outputs = outputs * self.meeting(self.gamma, x) if self.scale else outputs
        return outputs + self.meeting(self.beta, x) if self.center else outputs

    def parted(self, x, axis: int):
        """(batch, ..., channels, ...) -> (batch, ..., groups, channels of a group, ...)."""
        before, size, behind = ops.shape(x)[:axis], x.shape[axis], ops.shape(x)[axis + 1 :]
        return ops.reshape(x, (*before, self.groups, size // self.groups, *behind))
