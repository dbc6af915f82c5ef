"""Gated layers: with utilization fixed, a gate is a constant and what it closes can go."""

import keras
import numpy as np
from keras import ops

from keras_tnn.layers.channel_gate import ChannelGate
from keras_tnn.layers.gated import ChannelsOnAxis, Gated
from keras_tnn.layers.grouped_sum import GroupedSum
from keras_tnn.layers.open_normalization import OpenNormalization
from keras_tnn.layers.residual_gate import ResidualGate
from keras_tnn.layers.selected_channels import on_axis
from keras_tnn.layers.throttleable import Throttleable
from keras_tnn.layers.throttleable_normalization import ThrottleableGroupNormalization
from keras_tnn.surgery.calls import LAST, Call, channel_axis, own_axis
from keras_tnn.surgery.channels import Channels, CutTensor
from keras_tnn.surgery.gate_calls import groups_of
from keras_tnn.surgery.registry import rule, rule_of
from keras_tnn.surgery.rule import Kept, Rule
from keras_tnn.surgery.rules.elementwise import on_axis_of


def check_known(call: Call):
    """Raises ValueError if the gate reads features, so that utilization alone does not decide."""
    own = all(np.ndim(value) < 2 for value in call.known.values())
    if not call.known or own and call.operation.gate.data_dependent:
        raise ValueError(
            f"The gate of layer '{call.name}' depends on the data. Expected gates that depend on "
            "utilization alone: only those can be cut out. A ChannelGate or ResidualGate that "
            "obeys a gate which is a node of the model can be shipped so that it decides for each "
            "sample: see `keras_tnn.surgery.conditional`."
        )


def gate_values(call: Call) -> np.ndarray:
    """The gate's values `(num_groups,)` at the fixed utilization; zero means closed.

    Raises:
        ValueError: if the gate reads features.
    """
    check_known(call)
    (control,) = map(np.asarray, call.known.values())
    if control.ndim < 2:
        return call.operation.gate.pattern(float(control.reshape(-1)[0]))
    return control[0]


class OfFeatures(Rule):
    """The channels lie where those of the features do, which stand first; the gates are a row."""

    def looks_at(self, call, x):
        layer, rank = call.operation, len(x.shape)
        if isinstance(layer, ResidualGate) and x is call.inputs[0]:
            return None
        own = isinstance(layer, ChannelsOnAxis) and x is call.inputs[0]
        return layer.channel_axis % rank - rank if own else LAST

    def puts_all(self, call, axes):
        return axes[0]


class GatedRule(OfFeatures):
    """Something computed, then multiplied by a constant vector, the gate's values a channel."""

    def values(self, call) -> np.ndarray:
        """Gate values spread to the output channels, `(channels,)`."""
        return np.append(gate_values(call), 1)[groups_of(call)]  # -1 is always open

    def inner_forward(self, call, inputs) -> Channels:
        return inputs[0]

    def inner_backward(self, call, inputs, needed):
        return [needed]

    def inner_build(self, call, inputs, output, needed, builder) -> CutTensor:
        kept = np.flatnonzero(output.alive & needed)
        tensor = inputs[0].align(kept, call.name) if len(kept) else None
        return CutTensor(tensor, kept, output)

    in_cut = False

    def keep(self, call, inputs, wanted):
        return Kept((wanted,), wanted)

    def macs(self, call):
        return 0  # a gate multiplies, and sums nothing

    def forward(self, call, inputs):
        inner, values = self.inner_forward(call, inputs), self.values(call)
        return Channels(inner.alive & (values != 0), inner.fill * values)

    def backward(self, call, inputs, needed):
        return self.inner_backward(call, inputs, needed & (self.values(call) != 0))

    def build(self, call, inputs, output, needed, builder):
        values = self.values(call)
        piece = self.inner_build(call, inputs, output, needed & (values != 0), builder)
        scale = values[piece.kept].astype("float32")
        if piece.tensor is None or np.all(scale == 1):
            return piece
        name = builder.free_name(f"{call.name}_scale")
        scale = on_axis(scale, channel_axis(call.output)).tolist()
        scaling = keras.layers.Rescaling(scale, dtype=piece.tensor.dtype, name=name)
        return CutTensor(scaling(piece.tensor), piece.kept, output)  # a layer hands masks on


@rule(ChannelGate)
class ChannelGateRule(GatedRule):
    """The gate alone."""


@rule(OpenNormalization)
class OpenNormalizationRule(ChannelGateRule):
    """All open channels are read; the plain layer normalises those that are left."""

    in_cut = True

    def keep(self, call, inputs, wanted):
        kept = self.values(call) != 0
        return Kept((kept,), kept)

    def weights(self, call, kept):
        layer, x = call.operation, call.inputs[0]
        place = layer.axes(len(x.shape)).index(own_axis(x))
        return [on_axis_of(w, place, kept.makes) for w in layer.weights]

    def inner_forward(self, call, inputs):
        return Channels.all_alive(inputs[0].size)

    def inner_backward(self, call, inputs, needed):
        return [self.values(call) != 0]

    def inner_build(self, call, inputs, output, needed, builder):
        return Rule.build(self, call, inputs, output, needed, builder)


@rule(ThrottleableGroupNormalization)
class OpenGroupsRule(OpenNormalizationRule):
    """The plain layer has groups of one size."""

    def keep(self, call, inputs, wanted):
        kept = super().keep(call, inputs, wanted)
        left = kept.makes.reshape(call.operation.groups, -1).sum(axis=1)
        if len({*left.tolist()}) > 1:
            raise ValueError(
                f"The groups of layer '{call.name}' have {left.tolist()} open channels. Expected "
                "equally many in each, as `keras_tnn.throttle` opens them: Keras normalises groups "
                "of one size."
            )
        return kept


@rule(ResidualGate)
class ResidualGateRule(GatedRule):
    """One gate for all channels of the branch."""

    def values(self, call):
        values = super().values(call)
        return 1 - values if call.operation.inverted else values


@rule(Throttleable)
class ThrottleableRule(GatedRule):
    """A plain Keras layer, by its own rule, then the gate."""

    in_cut = True

    def plain(self, call) -> Rule:
        bases = type(call.operation).__mro__
        return rule_of(call, next(cls for cls in bases if not issubclass(cls, Gated)))

    def keep(self, call, inputs, wanted):
        return self.plain(call).keep(call, inputs, wanted)

    def weights(self, call, kept):
        return self.plain(call).weights(call, kept)

    def macs(self, call):
        return self.plain(call).macs(call)

    def products(self, call, kept):
        return self.plain(call).products(call, kept)

    def passes_values_on(self, call):
        return self.plain(call).passes_values_on(call)

    def inner_forward(self, call, inputs):
        return self.plain(call).forward(call, inputs)

    def inner_backward(self, call, inputs, needed):
        return self.plain(call).backward(call, inputs, needed)

    def inner_build(self, call, inputs, output, needed, builder):
        return self.plain(call).build(call, inputs, output, needed, builder)


@rule(GroupedSum)
class GroupedSumRule(Rule):
    """Open groups are summed; what a closed one computed is never read."""

    def groups(self, call, flat: np.ndarray) -> np.ndarray:
        """(groups * channels,) -> (groups, channels)."""
        return flat.reshape(call.operation.num_groups, -1)

    def forward(self, call, inputs):
        values = gate_values(call)
        alive = self.groups(call, inputs[0].alive) & (values != 0)[:, None]
        fill = (self.groups(call, inputs[0].fill) * values[:, None]).sum(axis=0)
        return Channels(alive.any(axis=0), fill)

    def backward(self, call, inputs, needed):
        return [np.outer(gate_values(call) != 0, needed).reshape(-1)]

    def keep(self, call, inputs, wanted):
        return Kept((np.outer(gate_values(call) != 0, wanted).reshape(-1),), wanted)

    def build(self, call, inputs, output, needed, builder):
        kept = np.flatnonzero(output.alive & needed)
        if not len(kept):
            return CutTensor(None, kept, output)
        values = gate_values(call)
        (wanted,) = self.keep(call, inputs, output.alive & needed).reads
        tensor = inputs[0].align(np.flatnonzero(wanted), call.name)
        # (batch, ..., open groups * kept) -> (batch, ..., open groups, kept)
        scale = values[values != 0].astype("float32")
        shape = tuple(-1 if size is None else size for size in tensor.shape[1:-1])
        branches = ops.reshape(tensor, (-1, *shape, len(scale), len(kept)))
        if not np.all(scale == 1):
            branches = branches * scale[:, None]
        return CutTensor(ops.sum(branches, axis=-2), kept, output)
