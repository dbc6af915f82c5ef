"""What is known of one kind of layer. Every kind has a rule, in one registry; `@rule` adds one.

A rule answers these questions about one call of a layer:

- `tie`: which channels of the output are the same as, or tied to, channels of the inputs?
- `forward`: given what is known of the inputs' channels, what is known of the output's?
- `backward`: given which output channels somebody reads, which input channels are read?
- `keep`: which channels are read and made once the others are cut?
- `weights`, `changes`: which part of each weight, and which arguments, does that leave?
- `kernels` and `positions`, `terms` and `axes`, or `macs`: what does the call multiply?

From these answers the cut model is built, and MACs, bytes and energy are counted: of whole models,
of cut ones, and as functions of gates. So they cannot differ.

`Rule` itself keeps inputs and outputs whole, which is exact for any layer and saves nothing. A
kind may have several rules; a call to which none `applies` is kept whole, and counted as its kind.
"""

import math
from dataclasses import dataclass

import keras
import numpy as np

from keras_tnn.surgery.calls import Call, width
from keras_tnn.surgery.channels import Channels, CutTensor
from keras_tnn.surgery.ties import Ties

Axes = tuple[np.ndarray | None, ...]  # of a weight: a bool mask an axis; None keeps it whole


@dataclass(frozen=True)
class Kept:
    """What is left of a call, as bool masks over the channels of the whole one.

    Attributes:
        reads: for each input, which of its channels.
        makes: the channels of the output.
    """

    reads: tuple[np.ndarray, ...]
    makes: np.ndarray

    def nothing(self) -> "Kept":
        """The same for a call that is not made at all."""
        return Kept(tuple(map(np.zeros_like, self.reads)), np.zeros_like(self.makes))

    @property
    def runs(self) -> np.ndarray:
        """Whether the call is made: a mask of one entry, for what no channel shares."""
        return np.array([self.makes.any()])


def indices(weights: list[Axes]) -> list[tuple]:
    """For each weight, its kept indices an axis; None keeps all."""
    return [tuple(x if x is None else np.flatnonzero(x) for x in axes) for axes in weights]


class Rule:
    """The rule for any layer: whole inputs, whole output, the layer as it is.

    `call.inputs` are the tensors that carry features; `call.known` are the values of the inputs
    that depend on utilization alone.

    Attributes:
        followed: whether it is known how channels pass, if only that all are needed. Where it is
            not, `throttle` says that it keeps the layer whole.
        in_cut: whether the cut model has the call at all; a gate of known values is gone.
        at_training_only: whether the layer hands its input on at inference: on a device it is gone.
        pools: whether it is pooling, of which liu2022 counts the FLOPs.
    """

    followed = True
    in_cut = True
    at_training_only = False
    pools = False

    def applies(self, call: Call) -> bool:
        """Whether the rule holds for this call."""
        return True

    def tie(self, call: Call, inputs: list[np.ndarray], ties: Ties) -> np.ndarray:
        for labels in inputs:
            ties.pin(labels)
        return ties.pinned(width(call.output))

    def forward(self, call: Call, inputs: list[Channels]) -> Channels:
        return Channels.all_alive(width(call.output))

    def backward(self, call: Call, inputs: list[Channels], needed: np.ndarray) -> list[np.ndarray]:
        return [np.full(channels.size, needed.any()) for channels in inputs]

    def keep(self, call: Call, inputs: list[Channels], wanted: np.ndarray) -> Kept:
        """What is left of the call; `wanted` are the output channels that vary and are read."""
        return Kept(tuple(np.ones(x.size, bool) for x in inputs), np.ones(len(wanted), bool))

    def weights(self, call: Call, kept: Kept) -> list[Axes]:
        """For each weight of the layer, what is left of its axes."""
        return [(None,) * len(w.shape) for w in getattr(call.operation, "weights", ())]

    def changes(self, call: Call, kept: Kept) -> dict:
        """Arguments of the layer that depend on the number of channels."""
        return {}

    def offset(self, call: Call, inputs: list[Channels], kept: Kept) -> np.ndarray | None:
        """Constants to add to the bias of the layer, or None."""

    def build(
        self, call: Call, inputs: list[CutTensor], output: Channels, needed, builder
    ) -> CutTensor:
        """Makes the call again in the cut model, as `keep` says."""
        channels = [piece.channels for piece in inputs]
        kept = self.keep(call, channels, output.alive & needed)
        pairs = zip(inputs, kept.reads, strict=True)
        tensor = builder.repeat(
            call,
            [piece.align(np.flatnonzero(reads), call.name) for piece, reads in pairs],
            indices(self.weights(call, kept)),
            self.changes(call, kept),
            self.offset(call, channels, kept),
        )
        return CutTensor(tensor, np.flatnonzero(kept.makes), output)

    def kernels(self, call: Call) -> list:
        """The weights that are multiplied, at each of the `positions`: the first of the layer's."""
        return []

    def positions(self, call: Call) -> int:
        """How often each kernel meets the input, for a batch of one."""
        return 1

    def terms(self, call: Call) -> list[int]:
        """The MACs of the whole call for a batch of one, as a sum: by default one a kernel."""
        kernels = self.kernels(call)
        return [self.positions(call) * math.prod(w.shape) for w in kernels]

    def axes(self, call: Call, kept: Kept) -> list[Axes]:
        """For each of the `terms`, the axes whose open channels share it; kernels come first."""
        return self.weights(call, kept)

    def macs(self, call: Call) -> int:
        """The sum of the `terms`; see `keras_tnn.cost.macs`."""
        return sum(self.terms(call))

    def products(self, call: Call, kept: Kept) -> list[tuple[int, Axes]]:
        """The MACs as a sum of products: those of the whole call, and the axes that share them."""
        if terms := self.terms(call):
            return list(zip(terms, self.axes(call, kept), strict=False))  # behind kernels: a bias
        return [(self.macs(call), ())]

    def is_counted(self, call: Call) -> bool:
        """Whether the count of MACs may be trusted: matrices and no word on MACs are suspicious."""
        silent = type(self).macs is Rule.macs and not self.terms(call)
        matrices = [w for w in getattr(call.operation, "weights", ()) if len(w.shape) > 1]
        return not (silent and matrices)

    def passes_values_on(self, call: Call) -> bool:
        """Whether the call works on values in passing, so that it moves no activations itself.

        A `keras.ops` operation of one tensor that keeps its shape is taken for elementwise.
        """
        same = [x.shape for x in call.inputs] == [x.shape for x in call.outputs]
        return same and not isinstance(call.operation, keras.layers.Layer)

    def looks_up(self, call: Call) -> bool:
        """Whether the call reads rows of its weights and not the whole."""
        return False


class Counted(Rule):
    """For kinds of which the cost is known, and not how channels pass."""

    followed = False


class AsItsKind(Rule):
    """Keeps whole what no rule of its kind `applies` to, and counts it as its kind.

    Args:
        kind: a rule of the kind, or of the parent of a kind that changes it.
        changed: what the layer's class overrides of that parent, so that the count is a guess.
    """

    def __init__(self, kind: Rule, changed: tuple[str, ...] = ()):
        self.kind, self.changed = kind, changed
        self.followed = kind.followed and not changed
        self.pools = kind.pools
        self.at_training_only = kind.at_training_only and not changed
        self.macs, self.looks_up = kind.macs, kind.looks_up
        self.passes_values_on, self.is_counted = kind.passes_values_on, kind.is_counted
