"""Normalisation layers: over the batch each channel is by itself, over channels it is not."""

import numpy as np
from keras import layers, ops

from keras_tnn.surgery.calls import LAST, own_axis, width
from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule
from keras_tnn.surgery.rules.elementwise import Elementwise


class AlongAxis(Rule):
    """The channels lie on the one `axis` that a normalisation names; over several it is whole."""

    def looks_at(self, call, x):
        named, rank = np.atleast_1d(call.operation.axis), len(x.shape)
        return int(named[0]) % rank - rank if self.has_one_axis(call) else LAST

    def puts(self, call, axis):
        return axis

    def has_one_axis(self, call) -> bool:
        return call.operation.axis is not None and np.size(call.operation.axis) == 1


@rule(layers.BatchNormalization)
class BatchNormalizationRule(AlongAxis, Elementwise):
    """At inference a constant c becomes gamma (c - mean) / sqrt(variance + epsilon) + beta."""

    silent = False

    def constants(self, call, fills):
        layer, (fill,) = call.operation, fills
        mean = ops.convert_to_numpy(layer.moving_mean)
        variance = ops.convert_to_numpy(layer.moving_variance)
        gamma = ops.convert_to_numpy(layer.gamma) if layer.scale else 1.0
        beta = ops.convert_to_numpy(layer.beta) if layer.center else 0.0
        return gamma * (fill - mean) / np.sqrt(variance + layer.epsilon) + beta


@rule(layers.Normalization)
class NormalizationRule(AlongAxis, Elementwise):
    """y = (x - mean) / deviation, with a mean and a deviation for each channel or for all."""

    def applies(self, call):
        given = call.operation.get_config()["mean"] is not None
        return not given and self.has_one_axis(call) and super().applies(call)

    def weights(self, call, kept):
        return [(kept.makes,) if len(w.shape) else () for w in call.operation.weights]


@rule(layers.GroupNormalization)
class GroupNormalizationRule(AlongAxis):
    """Channels of one group are normalised together, so a group stays whole or goes whole.

    Of fewer groups than a gate has, `throttle` makes all narrower alike, by a layer that knows its
    open channels.
    """

    def grouped(self, call, flat: np.ndarray) -> np.ndarray:
        """(channels,) -> (groups, channels of a group)."""
        groups = call.operation.groups
        return flat.reshape(len(flat) if groups == -1 else groups, -1)

    def tie(self, call, inputs, ties):
        groups = self.grouped(call, inputs[0])
        if len(groups) < ties.num_groups:
            for row in groups[1:]:
                ties.tie(groups[0], row)
            ties.normalized.append(call)
        for column in groups.T[1:] if len(groups) >= ties.num_groups else ():
            ties.tie(groups[:, 0], column)
        return inputs[0]

    def forward(self, call, inputs):
        layer, fill = call.operation, self.grouped(call, inputs[0].fill)
        mean, variance = fill.mean(axis=1, keepdims=True), fill.var(axis=1, keepdims=True)
        fill = ((fill - mean) / np.sqrt(variance + layer.epsilon)).reshape(-1)
        fill = fill * ops.convert_to_numpy(layer.gamma) if layer.scale else fill
        fill = fill + ops.convert_to_numpy(layer.beta) if layer.center else fill
        alive = self.grouped(call, inputs[0].alive)
        return Channels(np.broadcast_to(alive.any(axis=1)[:, None], alive.shape).reshape(-1), fill)

    def backward(self, call, inputs, needed):
        groups = self.grouped(call, needed)
        return [np.broadcast_to(groups.any(axis=1)[:, None], groups.shape).reshape(-1)]

    def keep(self, call, inputs, wanted):
        (read,) = self.backward(call, inputs, wanted)
        return Kept((read,), read)

    def weights(self, call, kept):
        return [(kept.makes,) for _ in call.operation.weights]

    def changes(self, call, kept):
        groups = self.grouped(call, kept.makes).any(axis=1)
        return {} if call.operation.groups == -1 else {"groups": int(groups.sum())}


class AcrossChannels(AlongAxis):
    """Every channel is normalised by all: cut, it needs them whole."""

    silent = False

    def looks_at(self, call, x):
        return super().looks_at(call, x) if self.has_one_axis(call) else None

    def macs(self, call):
        return 0  # over several axes the scale is a matrix, and still a factor an entry

    def applies(self, call):
        """Whether the channels are among the axes that are normalised together."""
        return own_axis(call.inputs[0]) in self.axes_from_first(call)

    def axes_from_first(self, call) -> list[int]:
        """The axes that are normalised together, in rising order."""
        rank = len(call.inputs[0].shape)
        return np.sort(np.atleast_1d(call.operation.axis) % rank).tolist()


@rule(layers.LayerNormalization)
class LayerNormalizationRule(AcrossChannels):
    """`throttle` makes it one that knows its open channels."""

    def applies(self, call):
        return super().applies(call) and not call.operation.rms_scaling

    def tie(self, call, inputs, ties):
        ties.normalized.append(call)
        return inputs[0]


@rule(layers.RMSNormalization)
class RMSNormalizationRule(AcrossChannels):
    """So it is of the root of mean squares. Keras scales the last axes, whatever it normalises."""

    def applies(self, call):
        rank, axes = len(call.inputs[0].shape), self.axes_from_first(call)
        return super().applies(call) and axes == [*range(rank - len(axes), rank)]

    def tie(self, call, inputs, ties):
        ties.normalized.append(call)
        return inputs[0]


@rule(layers.UnitNormalization)
class UnitNormalizationRule(AcrossChannels):
    """A sum of squares, to which zeros add nothing: so a gate stands in front."""

    def importance(self, call):
        """No weights read the channels, so none is heavier than another."""
        return [np.zeros(width(call.inputs[0]))]

    def tie(self, call, inputs, ties):
        ties.mixed.append(call)
        return inputs[0]

    def forward(self, call, inputs):
        nonzero = inputs[0].alive | inputs[0].hidden
        return Channels(nonzero, np.zeros(len(nonzero)))

    def keep(self, call, inputs, wanted):
        nonzero = inputs[0].alive | inputs[0].hidden
        return Kept((nonzero,), nonzero)

    def backward(self, call, inputs, needed):
        return list(self.keep(call, inputs, needed).reads)
