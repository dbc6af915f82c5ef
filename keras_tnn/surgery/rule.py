"""What is known of one kind of layer. Every kind has a rule, in one registry; `@rule` adds one.

A rule answers these questions about one call of a layer:

- `looks_at`, `puts`: on which axis of its inputs and of its output do the channels lie?
- `tie`: which channels of the output are the same as, or tied to, channels of the inputs?
- `forward`: given what is known of the inputs' channels, what is known of the output's?
- `backward`: given which output channels somebody reads, which input channels are read?
- `keep`: which channels are read and made once the others are cut?
- `weights`, `changes`: which part of each weight, and which arguments, does that leave?
- `kernels` and `positions`, `terms` and `axes`, or `macs`: what does the call multiply?

The channels of several outputs stand side by side, as if they were one tensor's.

From these answers the cut model is built, and MACs, bytes and energy are counted: of whole models,
of cut ones, and as functions of gates. So they cannot differ.

`Rule` itself keeps inputs and outputs whole, which is exact for any layer and saves nothing. A
kind may have several rules; a call to which none `applies` is kept whole, and counted as its kind.
"""

import math
from dataclasses import dataclass

import keras
import numpy as np

from keras_tnn.surgery.calls import LAST, Call, channel_axis, tensors_in
from keras_tnn.surgery.channels import Channels, CutTensor, by_tensor, total_width
from keras_tnn.surgery.ties import Ties

Axes = tuple[np.ndarray | None, ...]  # of a weight: a bool mask an axis; None keeps it whole


@dataclass(frozen=True)
class Kept:
    """What is left of a call, as bool masks over the channels of the whole one.

    Attributes:
        reads: for each input, which of its channels.
        makes: the channels of the output; of several, side by side.
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


def cut_tensors(call: Call, tensors: tuple, makes: np.ndarray, output: Channels) -> list:
    """What a call made, by output: `makes` says which channels, `output` what is known of them."""
    parts = zip(tensors, by_tensor(makes, call.outputs), output.of_each(call.outputs), strict=True)
    return [CutTensor(x, np.flatnonzero(kept), channels) for x, kept, channels in parts]


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
        several: whether it holds for calls that return several tensors, too.
        silent: whether a call to which no rule of the kind `applies` needs all of its channels, so
            that `throttle` has nothing to say where it keeps them whole.
        one_axis: whether the channels of all inputs that are taken wherever they lie must lie
            on one axis.
        takes: whether the call reads those entries alone that it hands on, as a slice does.
    """

    followed = True
    several = False
    silent = True
    takes = False
    one_axis = True
    in_cut = True
    at_training_only = False
    pools = False

    def applies(self, call: Call) -> bool:
        """Whether the rule holds for this call."""
        return True

    def looks_at(self, call: Call, x: keras.KerasTensor) -> int | None:
        """The axis of an input that is taken for its channels, from the end; None: wherever."""
        return LAST

    def puts(self, call: Call, axis: int) -> int:
        """On which axis of the outputs the channels lie, given that of the inputs."""
        return LAST

    def puts_all(self, call: Call, axes: list[int | None]) -> int | None:
        """The same given the axis of each input, or None where it is not known."""
        axis = next(filter(None, axes), None)
        return None if axis is None else self.puts(call, axis)

    def fits(self, call: Call) -> bool:
        """Whether the channels lie where the rule looks for them, and where it puts them."""
        looks = [self.looks_at(call, x) for x in call.inputs]
        lies = [channel_axis(x) for x in call.inputs]
        if any(look not in (None, axis) for look, axis in zip(looks, lies, strict=True)):
            return False
        triples = zip(call.inputs, looks, lies, strict=True)
        carried = {axis for x, look, axis in triples if look is None and x.shape}
        if self.one_axis and len(carried) > 1:
            return False
        made = self.puts_all(call, [*carried] if self.one_axis and carried else lies)
        return made is None or all(channel_axis(x) == made for x in call.outputs)

    def tie(self, call: Call, inputs: list[np.ndarray], ties: Ties) -> np.ndarray:
        for labels in inputs:
            ties.pin(labels)
        return ties.pinned(total_width(call.outputs))

    def forward(self, call: Call, inputs: list[Channels]) -> Channels:
        return Channels.all_alive(total_width(call.outputs))

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
    ) -> CutTensor | list[CutTensor]:
        """Makes the call again in the cut model, as `keep` says: a tensor, or one an output."""
        channels = [piece.channels for piece in inputs]
        kept = self.keep(call, channels, output.alive & needed)
        pairs = zip(inputs, kept.reads, strict=True)
        made = builder.repeat(
            call,
            [piece.align(np.flatnonzero(reads), call.name) for piece, reads in pairs],
            indices(self.weights(call, kept)),
            self.changes(call, kept),
            self.offset(call, channels, kept),
        )
        pieces = cut_tensors(call, tensors_in(made), kept.makes, output)
        return pieces if len(pieces) > 1 else pieces[0]

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
        self.followed = kind.followed and kind.silent and not changed
        self.pools, self.takes = kind.pools, kind.takes
        self.at_training_only = kind.at_training_only and not changed
        self.macs, self.looks_up = kind.macs, kind.looks_up
        self.looks_at, self.puts = kind.looks_at, kind.puts
        self.passes_values_on, self.is_counted = kind.passes_values_on, kind.is_counted
