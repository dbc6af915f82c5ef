"""Layers that join tensors side by side or contract them: concatenation, dot products."""

import numpy as np
from keras import layers

from keras_tnn.surgery.arguments import product
from keras_tnn.surgery.calls import channel_axis, width
from keras_tnn.surgery.channels import Channels, CutTensor
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule


class Joining(Rule):
    """Tensors in one, the channels where they were."""

    def looks_at(self, call, x):
        return None

    def puts(self, call, axis):
        return axis

    def along_channels(self, call) -> bool:
        axis, rank = call.operation.axis, len(call.output.shape)
        return axis is not None and axis % rank == channel_axis(call.output) % rank


@rule(layers.Concatenate, "Concatenate")
class ConcatenateRule(Joining):
    """Along the channels: those of all inputs, one after another."""

    def applies(self, call):
        return self.along_channels(call)

    def split(self, inputs, flat) -> list[np.ndarray]:
        return np.split(flat, np.cumsum([channels.size for channels in inputs])[:-1])

    def tie(self, call, inputs, ties):
        return np.concatenate(inputs)

    def forward(self, call, inputs):
        alive, fill = ([getattr(x, name) for x in inputs] for name in ("alive", "fill"))
        return Channels(np.concatenate(alive), np.concatenate(fill))

    def backward(self, call, inputs, needed):
        return self.split(inputs, needed)

    def keep(self, call, inputs, wanted):
        kept = Kept(tuple(self.split(inputs, wanted)), wanted)
        alone = len(inputs) == 2 and not all(x.any() for x in kept.reads)
        return kept.nothing() if alone else kept  # nothing is joined

    def build(self, call, inputs, output, needed, builder):
        wanted = self.split([piece.channels for piece in inputs], output.alive & needed)
        parts = [
            piece.align(np.flatnonzero(mask), call.name)
            for piece, mask in zip(inputs, wanted, strict=True)
            if mask.any()
        ]
        tensor = builder.repeat(call, parts) if len(parts) > 1 else parts[0]
        return CutTensor(tensor, np.flatnonzero(output.alive & needed), output)


@rule(layers.Concatenate, "Concatenate")
class InLineRule(Joining):
    """Along another axis: a channel is constant if it is the same constant in all inputs."""

    def applies(self, call):
        axis, rank = call.operation.axis, len(call.output.shape)
        return not self.along_channels(call) and axis is not None and axis % rank

    def tie(self, call, inputs, ties):
        for labels in inputs[1:]:
            ties.tie(inputs[0], labels)
        return inputs[0]

    def forward(self, call, inputs):
        alive, fill = ([getattr(x, name) for x in inputs] for name in ("alive", "fill"))
        return Channels(np.any(alive, axis=0) | np.any(fill != fill[0], axis=0), fill[0])

    def backward(self, call, inputs, needed):
        return [needed] * len(inputs)

    def keep(self, call, inputs, wanted):
        return Kept((wanted,) * len(inputs), wanted)


@rule(layers.Dot)
class DotRule(Rule):
    """Products of channels, summed: a channel that is zero on either side adds nothing."""

    def terms(self, call):
        axes = call.operation.axes
        first = axes if isinstance(axes, int) else axes[0]
        return [product(call, (*call.output.shape[1:], call.inputs[0].shape[first]))]

    def axes(self, call, kept):
        return [kept.reads[:1]]

    def applies(self, call):
        layer, ranks = call.operation, [len(x.shape) for x in call.inputs]
        axes = [layer.axes] * 2 if isinstance(layer.axes, int) else layer.axes
        last = all(axis % rank == rank - 1 for axis, rank in zip(axes, ranks, strict=True))
        return last and not layer.normalize

    def importance(self, call):
        """No weights read the channels, so none is heavier than another."""
        return [np.zeros(width(x)) for x in call.inputs]

    def nonzero(self, inputs) -> np.ndarray:
        return np.all([x.alive | x.hidden for x in inputs], axis=0)

    def tie(self, call, inputs, ties):
        ties.tie(*inputs)
        ties.mixed.append(call)
        return ties.pinned(width(call.output))

    def backward(self, call, inputs, needed):
        return [self.nonzero(inputs)] * 2

    def keep(self, call, inputs, wanted):
        return Kept((self.nonzero(inputs),) * 2, np.ones(len(wanted), bool))
