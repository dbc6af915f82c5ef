"""Layers that move entries about without computing: flatten, reshape, shuffle."""

import math

import numpy as np
from keras import layers

from keras_tnn.layers import ChannelShuffle
from keras_tnn.layers.selected_channels import take_channels
from keras_tnn.surgery.calls import LAST, channel_axis, width
from keras_tnn.surgery.channels import CutTensor
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rules.data_format import by_data_format
from keras_tnn.surgery.rules.elementwise import at_channels
from keras_tnn.surgery.rules.moving import Moving
from keras_tnn.surgery.rules.per_channel import PerChannel


def target(call, kept) -> dict:
    """The shape that a reshape makes of what is left."""
    if isinstance(call.operation, layers.Flatten):
        return {}
    left, axis = int(kept.makes.sum()), channel_axis(call.output)
    if isinstance(call.operation, layers.Layer):
        sizes = [-1 if size is None else size for size in call.output.shape[1:]]
        sizes[axis] = left
        return {"target_shape": sizes}
    sizes = list(call.operation.newshape)
    sizes[axis] = -1 if sizes[axis] == -1 else left
    return {"newshape": tuple(sizes)}


def kept_axis(call, axis: int) -> int | None:
    """Where a reshape leaves an axis as it is, counted from the end; None if it does not."""
    before, after = call.inputs[0].shape, call.output.shape
    own = axis % len(before)
    for place in range(1, len(after)):
        same_behind = one_size(before[own + 1 :], after[place + 1 :])
        keeps_samples = isinstance(call.operation, layers.Layer)
        same_before = keeps_samples and one_size(before[1:own], after[1:place])
        if after[place] == before[own] and (same_behind or same_before):
            return place - len(after)
    return None


def one_size(some: tuple, others: tuple) -> bool:
    """Whether two shapes are known to hold equally many entries."""
    return None not in (*some, *others) and math.prod(some) == math.prod(others)


@rule(layers.Reshape, "Reshape")
class SplittingRule(Moving):
    """Rows cut anywhere else, as (batch, ..., channels) -> (batch, ..., heads, depth)."""

    changes = staticmethod(target)

    def looks_at(self, call, x):
        return LAST

    def applies(self, call):
        return len(call.inputs[0].shape) > 1

    def passes_values_on(self, call):
        return True


@rule(layers.Flatten, layers.Reshape, "Reshape")
class ReshapeRule(PerChannel):
    """(batch, ..., channels) -> (batch, ..., k * channels): channels run fastest, k times over.

    Where they are not last, their axis stays one, or the sample becomes a row.
    """

    silent = False
    changes = staticmethod(target)

    def looks_at(self, call, x):
        first = getattr(call.operation, "data_format", "channels_last") == "channels_first"
        return by_data_format(call, x) if first else None

    def puts(self, call, axis):
        is_flatten = isinstance(call.operation, layers.Flatten)
        return LAST if axis == LAST or is_flatten else kept_axis(call, axis) or LAST

    def applies(self, call):
        x, y = call.inputs[0], call.output
        if self.runs_fastest(call) or channel_axis(y) != LAST:
            return len(x.shape) > 1 and width(y) % width(x) == 0
        return one_size(x.shape[1:], y.shape[1:]) and len(y.shape) == 2

    def runs_fastest(self, call) -> bool:
        """Whether neighbours in a row are neighbouring channels, as `channels_first` makes them."""
        x = call.inputs[0]
        return channel_axis(x) == LAST or self.looks_at(call, x) is not None

    def source(self, call, size):
        x, times = call.inputs[0], width(call.output) // size
        if self.runs_fastest(call) or times == 1:
            return np.tile(np.arange(size), times)
        channels = at_channels(x, np.arange(size))[0]
        return np.broadcast_to(channels, x.shape[1:]).reshape(-1)

    def passes_values_on(self, call):
        return True


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
