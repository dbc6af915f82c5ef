"""Weights that are nodes of their own."""

from keras_tnn.layers.for_each_sample import ForEachSample
from keras_tnn.layers.parameter import Parameter
from keras_tnn.surgery.calls import channel_axis, width
from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule
from keras_tnn.surgery.rules.per_channel import PerChannel


@rule(Parameter)
class ParameterRule(Rule):
    """Channels on the last axis, tied to whatever they are added to or multiplied with."""

    def tie(self, call, inputs, ties):
        return ties.fresh(width(call.output))

    def forward(self, call, inputs):
        return Channels.all_alive(width(call.output))

    def looks_at(self, call, x):
        return None

    def keep(self, call, inputs, wanted):
        return Kept((), wanted)

    def weights(self, call, kept):
        axis, rank = channel_axis(call.output), len(call.operation.shape)
        return [tuple(kept.makes if i - rank == axis else None for i in range(rank))]

    def changes(self, call, kept):
        axis, shape = channel_axis(call.output), list(call.operation.shape)
        if -axis <= len(shape):
            shape[axis] = int(kept.makes.sum())
        return {"shape": tuple(shape)} if shape else {}

    def macs(self, call):
        return 0

    def passes_values_on(self, call):
        return True  # its bytes are those of the weight


@rule(ForEachSample)
class ForEachSampleRule(PerChannel):
    """The same channels, once for each sample."""

    def looks_at(self, call, x):
        return None

    def puts(self, call, axis):
        return axis
