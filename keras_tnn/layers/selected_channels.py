"""Channels taken out of a tensor, and constants put between them."""

import keras
import numpy as np
from keras import ops


def take_channels(tensor, indices: np.ndarray, axis: int = -1):
    """`tensor[..., indices]`, as a slice where the indices are consecutive.

    Args:
        tensor: of any rank.
        indices: int array `(outputs,)`.
        axis: of the channels, counted from the end.
    """
    if len(indices) == tensor.shape[axis] and np.array_equal(indices, np.arange(len(indices))):
        return tensor
    if len(indices) and np.array_equal(indices, np.arange(indices[0], indices[-1] + 1)):
        run = slice(int(indices[0]), int(indices[-1]) + 1)
        return tensor[(..., run, *(slice(None),) * (-1 - axis))]
    return ops.take(tensor, indices.tolist(), axis=axis)


def on_axis(values, axis: int):
    """Values a channel, `(channels,)`, shaped to meet tensors whose channels lie on `axis`."""
    return values.reshape((-1, *(1,) * (-1 - axis)))


def select_channels(tensor, channels: np.ndarray, constants: np.ndarray, axis: int = -1):
    """For each output channel one of the tensor, or a constant where `channels` is -1.

    Args:
        tensor: `(batch, ..., channels)`.
        channels: int array `(outputs,)`, rising but for -1.
        constants: float array `(outputs,)`.
        axis: of the channels, counted from the end.
    """
    present = channels >= 0
    tensor = take_channels(tensor, channels[present], axis)
    if present.all():
        return tensor
    missing = int((~present).sum())
    widths = [[0, 0] for _ in tensor.shape]
    widths[axis][1] = missing
    tensor = ops.pad(tensor, widths)
    # The missing channels now stand last: bring each to its place.
    place = np.argsort(np.concatenate([np.flatnonzero(present), np.flatnonzero(~present)]))
    tensor = take_channels(tensor, place, axis)
    constants = np.where(present, 0, constants).astype("float32")
    return tensor + on_axis(constants, axis) if constants.any() else tensor


@keras.saving.register_keras_serializable("keras_tnn")
class SelectedChannels(keras.layers.Layer):
    """Some channels of a tensor, with constants between them; hands masks on.

    `keras_tnn.materialize` puts it where channels leave or come back on the way of a mask, which
    operations of `keras.ops` would lose. With all channels in order it is the identity.

    Args:
        channels: integers, for each output channel one of the input, rising, or -1 for a constant.
        constants: floats, one an output channel: what stands where `channels` is -1. Zeros by
            default.
        axis: negative integer, of the channels. The last by default.

    Call arguments:
        inputs: tensor `(batch, ..., channels)`.

    Input shape:
        `(batch, ..., channels)`, any rank from 2 on.

    Output shape:
        `(batch, ..., len(channels))`, or so on `axis`.

    Raises:
        ValueError: if `axis` is not negative, if `channels` do not rise, or if there is not one
            constant for each.

    Example:

    >>> layer = keras_tnn.layers.SelectedChannels([-1, 0, 2], constants=[5, 0, 0])
    >>> keras.ops.convert_to_numpy(layer(np.array([[1.0, 2.0, 3.0]]))).tolist()
    [[5.0, 1.0, 3.0]]
    """

    def __init__(self, channels, constants=None, axis=-1, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(axis, int) or axis >= 0:
            raise ValueError(
                "Invalid value for `axis`. Expected a negative integer, counted from the end. "
                f"Received: axis={axis!r}"
            )
        self.axis = axis
        self.channels = [int(channel) for channel in channels]
        taken = [channel for channel in self.channels if channel >= 0]
        if taken != sorted({*taken}):
            raise ValueError(
                "Invalid value for `channels`. Expected integers that rise, and -1 for constants. "
                f"Received: channels={channels!r}"
            )
        constants = [0] * len(self.channels) if constants is None else constants
        self.constants = [float(constant) for constant in constants]
        if len(self.constants) != len(self.channels):
            raise ValueError(
                f"Invalid value for `constants`. Expected {len(self.channels)} numbers, one a "
                f"channel. Received: constants={constants!r}"
            )
        self.supports_masking = True

    def call(self, inputs):
        channels, constants = np.array(self.channels), np.array(self.constants)
        return select_channels(inputs, channels, constants, self.axis)

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        shape[self.axis] = len(self.channels)
        return tuple(shape)

    def get_config(self):
        config = {"channels": self.channels, "constants": self.constants, "axis": self.axis}
        return {**super().get_config(), **config}
