"""How much of a call is computed once channels are cut: those that it reads, makes, multiplies.

What is said here of each kind of layer is what its surgery rule builds.
"""

from dataclasses import dataclass

import numpy as np

from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.graph import Call, width
from keras_tnn.surgery.rule import Rule, rule_of
from keras_tnn.surgery.rules.convolution import Mixing, SeparableRule
from keras_tnn.surgery.rules.elementwise import AddRule, Elementwise, is_elementwise
from keras_tnn.surgery.rules.gating import (
    ChannelGateRule,
    GroupedSumRule,
    LayerNormalizationRule,
    ResidualGateRule,
    ThrottleableRule,
    gate_values,
)
from keras_tnn.surgery.rules.grouped import GroupedConvolutionRule
from keras_tnn.surgery.rules.joining import ConcatenateRule, DotRule, InLineRule
from keras_tnn.surgery.rules.per_channel import PerChannel

ALWAYS = np.array([True])


@dataclass(frozen=True)
class Extent:
    """Bool masks over the whole call's channels; true is computed.

    Attributes:
        kernels: for each of the call's kernels its axes. Its multiply-accumulates are in
            proportion to the product of the numbers of true entries.
        reads: for each input, its channels.
        makes: the channels of the output.
    """

    kernels: tuple[tuple[np.ndarray, ...], ...]
    reads: tuple[np.ndarray, ...]
    makes: np.ndarray

    def nothing(self) -> "Extent":
        """The extent of the same call when it is not made at all."""
        kernels = tuple(tuple(map(np.zeros_like, axes)) for axes in self.kernels)
        return Extent(kernels, tuple(map(np.zeros_like, self.reads)), np.zeros_like(self.makes))


def extent_of(call: Call, channels: dict[int, Channels], needed: dict[int, np.ndarray]) -> Extent:
    """The extent of a call in the cut model.

    Args:
        call: as `surgery.cut.forward` returns it.
        channels: what is known of each tensor, by `id`.
        needed: which channels of each tensor anybody reads, by `id`.
    """
    inputs = [channels[id(x)] for x in call.inputs]
    wanted = [channels[id(x)].alive & needed[id(x)] for x in call.outputs]
    extent = by_kind(call, inputs, wanted[0])
    return extent if any(one.any() for one in wanted) else extent.nothing()


def by_kind(call: Call, inputs: list[Channels], wanted: np.ndarray) -> Extent:
    rule = rule_of(call)
    if isinstance(rule, ThrottleableRule):
        rule = rule.plain(call)
    for kind, extent in KINDS.items():
        if isinstance(rule, kind):
            return extent(rule, call, inputs, wanted)
    return whole(rule, call, inputs, wanted)


def whole(rule: Rule, call: Call, inputs, wanted) -> Extent:
    reads = tuple(np.ones(x.size, bool) for x in inputs)
    return Extent(((ALWAYS,),), reads, np.ones(width(call.outputs[0]), bool))


def mixing(rule: Mixing, call: Call, inputs, wanted) -> Extent:
    layer, (channels,) = call.operation, inputs
    makes = wanted if is_elementwise(layer.activation) else np.ones(len(wanted), bool)
    folds = rule.folds(layer, channels)
    reads = channels.alive if folds else channels.alive | channels.hidden
    if isinstance(rule, SeparableRule):  # depthwise, then pointwise
        return Extent(((reads,), (reads, makes)), (reads,), makes)
    return Extent(((reads, makes),), (reads,), makes)


def grouped(rule: GroupedConvolutionRule, call: Call, inputs, wanted) -> Extent:
    layer, (channels,) = call.operation, inputs
    made = rule.by_group(layer, wanted)
    varied = rule.by_group(layer, channels.alive | channels.hidden)
    groups = made.any(axis=1)
    places, kept = varied[groups].any(axis=0), made[groups].any(axis=0)
    reads, makes = (np.outer(groups, one).reshape(-1) for one in (places, kept))
    return Extent(((groups, places, kept),), (reads,), makes)


def per_channel(rule: PerChannel, call: Call, inputs, wanted) -> Extent:
    source = rule.source(call, inputs[0].size)
    read = np.zeros(inputs[0].size, bool)
    read[source[wanted]] = True
    return Extent(((read,),), (read,), read[source])


def elementwise(rule: Rule, call: Call, inputs, wanted) -> Extent:
    reads = tuple(
        wanted & (x.alive | x.hidden) if x.size == len(wanted) else ALWAYS for x in inputs
    )
    extent = Extent(((wanted,),), reads, wanted)
    # A sum of one term is that term.
    alone = isinstance(rule, AddRule) and len(reads) == 2 and not all(x.any() for x in reads)
    return extent.nothing() if alone else extent


def concatenated(rule: ConcatenateRule, call: Call, inputs, wanted) -> Extent:
    extent = Extent(((wanted,),), tuple(rule.split(inputs, wanted)), wanted)
    alone = len(inputs) == 2 and not all(x.any() for x in extent.reads)
    return extent.nothing() if alone else extent


def dot(rule: DotRule, call: Call, inputs, wanted) -> Extent:
    nonzero = rule.nonzero(inputs)
    return Extent(((nonzero,),), (nonzero,) * 2, np.ones(len(wanted), bool))


def normalized(rule: LayerNormalizationRule, call: Call, inputs, wanted) -> Extent:
    kept = rule.values(call) != 0
    return Extent(((kept,),), (kept,), kept)


def gate_alone(rule: Rule, call: Call, inputs, wanted) -> Extent:
    """A gate is gone from the cut model: no kernel, and nothing passes through it."""
    return Extent((), (), wanted)


def grouped_sum(rule: GroupedSumRule, call: Call, inputs, wanted) -> Extent:
    read = np.outer(gate_values(call) != 0, wanted).reshape(-1)
    return Extent(((wanted,),), (read,), wanted)


# The first that fits counts.
KINDS = {
    GroupedConvolutionRule: grouped,
    Mixing: mixing,
    PerChannel: per_channel,
    Elementwise: elementwise,
    InLineRule: elementwise,
    ConcatenateRule: concatenated,
    DotRule: dot,
    LayerNormalizationRule: normalized,
    ChannelGateRule: gate_alone,
    ResidualGateRule: gate_alone,
    GroupedSumRule: grouped_sum,
}
