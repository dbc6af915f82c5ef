"""Channel shuffle: what lets the groups of successive grouped convolutions see each other."""

import keras
from keras import ops

from keras_tnn.quantities import check_count


@keras.saving.register_keras_serializable(package="keras_tnn")
class ChannelShuffle(keras.layers.Layer):
    """Interleaves the channels of `groups` groups (ShuffleNet, Zhang et al. 2018, section 3.1).

    Output channel `c * groups + g` is channel c of group g, so that each group of a following
    grouped convolution reads from all groups of the one before. With `groups=1` it is the
    identity. It computes nothing and has no weights.

    Args:
        groups: Integer, the number of groups; must divide the channels.

    Call arguments:
        inputs: tensor `(batch, ..., channels)`.

    Input shape:
        `(batch, ..., channels)`, any rank from 2 on.

    Output shape:
        `(batch, ..., channels)`, as the input.

    Raises:
        ValueError: if `groups` is not a positive integer or does not divide the channels.

    Example:

    >>> ChannelShuffle(groups=2)(np.array([[1, 2, 3, 10, 20, 30]])).numpy().tolist()
    [[1, 10, 2, 20, 3, 30]]
    """

    def __init__(self, groups, **kwargs):
        super().__init__(**kwargs)
        self.groups = check_count(groups, "groups")

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels is None or channels % self.groups:
            raise ValueError(
                f"Invalid value for `groups` in layer '{self.name}'. Expected a divisor of its "
                f"{channels} channels. Received: groups={self.groups}"
            )
        self.built = True

    def call(self, inputs):
        shape = ops.shape(inputs)
        # (batch, ..., channels) -> (batch, ..., groups, channels / groups), then swap the two
        grouped = ops.reshape(inputs, (*shape[:-1], self.groups, shape[-1] // self.groups))
        return ops.reshape(ops.swapaxes(grouped, -2, -1), shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}
