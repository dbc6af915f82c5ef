"""What normalisations over open channels share."""

import keras
from keras import ops

from keras_tnn.layers.gated import ChannelsOnAxis, split_inputs


class OpenNormalization(ChannelsOnAxis):
    """Mixin: statistics of the open channels, whatever the closed ones hold, which come out zero.

    So the network that is cut to its open channels normalises as the masked one does, with the
    plain Keras layer. A subclass says in `normalized` what it makes of its inputs.
    """

    def build(self, input_shape):
        features_shape, _ = input_shape
        self.check_axes(len(features_shape))
        self.check_channel_groups(features_shape[self.channel_axis])
        super().build(features_shape)
        self.input_spec = None  # the plain layer's knows nothing of the control input
        self.build_gate(input_shape)

    def axes(self, rank: int) -> list[int]:
        """The axes that are normalised together, counted from the first, in rising order."""
        named = self.axis if isinstance(self.axis, (list, tuple)) else [self.axis]
        return sorted(axis % rank for axis in named)

    def check_axes(self, rank: int):
        """Raises ValueError if the channels are not among the axes that are normalised."""
        if self.channel_axis % rank not in self.axes(rank):
            raise ValueError(
                f"Layer '{self.name}' normalises over its channels. Expected "
                f"`channel_axis` among the axes that it normalises. Received: axis={self.axis!r}, "
                f"channel_axis={self.channel_axis!r}"
            )

    def call(self, inputs, training=None):
        features, control = split_inputs(self, inputs)
        x = ops.cast(features, "float32")
        gates = self.spread(self.open_groups(control, features, training), x, self.channel_axis)
        outputs = self.normalized(x, ops.cast(gates > 0, x.dtype)) * gates
        return ops.cast(outputs, self.compute_dtype)

    def normalized(self, x, is_open):
        """What the plain layer makes of the open channels.

        Args:
            x: float32 features.
            is_open: ones and zeros that meet them, of size 1 on all axes but the channels'.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `normalized`.")

    def mean_of_open(self, x, is_open, axes):
        """The mean over some axes, the channels' among them, of what is open."""
        count = ops.sum(is_open, axis=axes, keepdims=True)
        for axis in axes:
            if is_open.shape[axis] == 1:  # it is spread over what lies there
                count = count * ops.cast(ops.shape(x)[axis], x.dtype)
        return ops.sum(is_open * x, axis=axes, keepdims=True) / ops.maximum(count, 1.0)

    def meeting(self, weight, x):
        """A weight of the plain layer in the rank of its input."""
        axes = self.axes(len(x.shape))
        return ops.reshape(weight, [n if i in axes else 1 for i, n in enumerate(x.shape)])

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def compute_output_spec(self, inputs, training=None):
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)
