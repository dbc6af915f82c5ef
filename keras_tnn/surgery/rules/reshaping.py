"""Layers that move entries about without computing: flatten, reshape, permute, shuffle."""

import numpy as np
from keras import layers

from keras_tnn.layers import ChannelShuffle
from keras_tnn.layers.selected_channels import take_channels
from keras_tnn.surgery.calls import width
from keras_tnn.surgery.channels import CutTensor
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rules.moving import Moving
from keras_tnn.surgery.rules.per_channel import PerChannel


def knows_channels(call) -> bool:
    """Whether channels are last in front of a reshape."""
    layer_says = getattr(call.operation, "data_format", "channels_last") != "channels_first"
    return layer_says and len(call.inputs[0].shape) > 1


def target(call, kept) -> dict:
    """The shape that a reshape makes of what is left."""
    if isinstance(call.operation, layers.Flatten):
        return {}
    left = int(kept.makes.sum())
    if isinstance(call.operation, layers.Layer):
        sizes = [-1 if size is None else size for size in call.output.shape[1:-1]]
        return {"target_shape": [*sizes, left]}
    *sizes, last = call.operation.newshape
    return {"newshape": (*sizes, -1 if last == -1 else left)}


@rule(layers.Reshape, "Reshape")
class SplittingRule(Moving):
    """Rows cut anywhere else, as (batch, ..., channels) -> (batch, ..., heads, depth)."""

    changes = staticmethod(target)

    def applies(self, call):
        return knows_channels(call)

    def passes_values_on(self, call):
        return True


@rule(layers.Flatten, layers.Reshape, "Reshape")
class ReshapeRule(PerChannel):
    """(batch, ..., channels) -> (batch, ..., k * channels): channels run fastest, k times over."""

    silent = False
    changes = staticmethod(target)

    def applies(self, call):
        return knows_channels(call) and width(call.output) % width(call.inputs[0]) == 0

    def source(self, call, size):
        return np.tile(np.arange(size), width(call.output) // size)

    def passes_values_on(self, call):
        return True


@rule(layers.Permute)
class PermuteRule(PerChannel):
    """Axes change places; the channels stay last, or everything is kept whole."""

    silent = False

    def applies(self, call):
        return call.operation.dims[-1] == len(call.inputs[0].shape) - 1


@rule(ChannelShuffle)
class ChannelShuffleRule(PerChannel):
    """A permutation. Groups that lost the same places are shuffled as before, others one by one."""

    def by_group(self, call, size: int) -> np.ndarray:
        """Input channels as (groups, channels of a group)."""
        return np.arange(size).reshape(call.operation.groups, -1)

    def source(self, call, size):
        return self.by_group(call, size).T.reshape(-1)

    def build(self, call, inputs, output, needed, builder):
        size = output.size
        source = self.source(call, size)
        left = self.keep(call, [piece.channels for piece in inputs], output.alive & needed)
        read, kept = np.flatnonzero(left.reads[0]), np.flatnonzero(left.makes)
        tensor = inputs[0].align(read, call.name)
        present = np.isin(self.by_group(call, size), read)
        present = present[present.any(axis=1)]
        if np.all(present == present[0]):
            tensor = builder.repeat(call, [tensor], changes={"groups": len(present)})
        else:
            tensor = take_channels(tensor, np.searchsorted(read, source[kept]))
        return CutTensor(tensor, kept, output)
