"""Gated layers whose gate reads the data: they stay, over the channels that are left."""

from dataclasses import replace

import numpy as np

from keras_tnn.layers.channel_gate import ChannelGate
from keras_tnn.layers.residual_gate import ResidualGate
from keras_tnn.layers.throttleable import Throttleable
from keras_tnn.surgery.calls import Call, channel_axis
from keras_tnn.surgery.channels import Channels, CutTensor
from keras_tnn.surgery.gate_calls import groups_of
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Rule
from keras_tnn.surgery.rules.gating import OfFeatures, ThrottleableRule


@rule(ChannelGate)
class KeptGate(OfFeatures):
    """y = g(x) * h, with a gate that is another tensor of the model, `(batch, num_groups)`."""

    def applies(self, call):
        return len(call.inputs) == 2 and not call.known

    def layer(self, call, kept: np.ndarray, name: str):
        """The gated layer for the kept channels."""
        return ChannelGate(
            num_groups=call.operation.num_groups,
            channel_groups=groups_of(call)[kept].tolist(),
            channel_axis=channel_axis(call.output),
            dtype=call.operation.dtype_policy,
            name=name,
        )

    def gated(self, call, inner: Channels) -> Channels:
        """A constant other than zero is one no longer."""
        return Channels(inner.alive | inner.hidden, inner.fill)

    def forward(self, call, inputs):
        return self.gated(call, inputs[0])

    def backward(self, call, inputs, needed):
        return [needed, np.ones(inputs[1].size, bool)]

    def build(self, call, inputs, output, needed, builder):
        kept = np.flatnonzero(output.alive & needed)
        features = inputs[0].align(kept, call.name)
        control = inputs[1].align(np.arange(inputs[1].channels.size), call.name)
        layer = self.layer(call, kept, builder.free_name(call.name))
        return CutTensor(layer([features, control]), kept, output)


@rule(ResidualGate)
class KeptBlockGate(KeptGate):
    """One gate for all channels."""

    def layer(self, call, kept, name):
        old = call.operation
        return ResidualGate(
            num_groups=old.num_groups,
            index=old.index,
            inverted=old.inverted,
            dtype=old.dtype_policy,
            name=name,
        )


@rule(Throttleable)
class KeptThrottleable(KeptGate):
    """A plain Keras layer, by its own rule, with a `ChannelGate` behind it."""

    def plain(self, call) -> tuple[Rule, Call]:
        inner = replace(call, inputs=call.inputs[:1])
        return ThrottleableRule().plain(inner), inner

    def forward(self, call, inputs):
        plain, inner = self.plain(call)
        return self.gated(call, plain.forward(inner, inputs[:1]))

    def backward(self, call, inputs, needed):
        plain, inner = self.plain(call)
        reads = plain.backward(inner, inputs[:1], needed)
        return [*reads, np.ones(inputs[1].size, bool)]

    def build(self, call, inputs, output, needed, builder):
        plain, inner = self.plain(call)
        made = plain.build(inner, inputs[:1], output, needed, builder)
        return super().build(call, [made, inputs[1]], output, needed, builder)

    def layer(self, call, kept, name):
        return super().layer(call, kept, f"{name}_gate")
