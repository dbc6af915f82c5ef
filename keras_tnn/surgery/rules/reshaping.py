"""Layers that move entries about without computing: flatten."""

import numpy as np
from keras import layers

from keras_tnn.surgery.channels import Channels, Piece
from keras_tnn.surgery.rule import Rule, rule


@rule(layers.Flatten)
class FlattenRule(Rule):
    """(batch, ..., channels) -> (batch, positions * channels), channels running fastest."""

    def forward(self, call, inputs):
        times = call.output.shape[-1] // inputs[0].size
        return Channels(np.tile(inputs[0].alive, times), np.tile(inputs[0].fill, times))

    def backward(self, call, inputs, needed):
        return [needed.reshape(-1, inputs[0].size).any(axis=0)]

    def build(self, call, inputs, output, needed, builder):
        channels = inputs[0].channels
        mask = (output.alive & needed).reshape(-1, channels.size).any(axis=0)
        if not mask.any():
            return Piece(None, np.flatnonzero(mask), output)
        tensor = builder.repeat(call, [inputs[0].align(np.flatnonzero(mask), call.name)])
        kept = np.flatnonzero(np.tile(mask, output.size // channels.size))
        return Piece(tensor, kept, output)
