"""Layers that join branches: addition and concatenation along the channels."""

import numpy as np
from keras import layers

from keras_tnn.surgery.channels import Channels, Piece
from keras_tnn.surgery.rule import Rule, rule


@rule(layers.Add)
class AddRule(Rule):
    """A sum lives where one of its terms does; terms that are all zero drop out."""

    def forward(self, call, inputs):
        alive = np.any([channels.alive for channels in inputs], axis=0)
        return Channels(alive, np.sum([channels.fill for channels in inputs], axis=0))

    def backward(self, call, inputs, needed):
        return [needed for _ in inputs]

    def build(self, call, inputs, output, needed, builder):
        kept = np.flatnonzero(output.alive & needed)
        if not len(kept):
            return Piece(None, kept, output)
        terms, constant = [], np.zeros(len(kept), "float32")
        for piece in inputs:
            if np.isin(kept, piece.kept).any():
                terms.append(piece.align(kept, call.name))
            else:
                constant += piece.channels.fill[kept]
        total = builder.repeat(call, terms) if len(terms) > 1 else terms[0]
        return Piece(total + constant if constant.any() else total, kept, output)


@rule(layers.Concatenate)
class ConcatenateRule(Rule):
    """Channels of all inputs, one after another. Other axes keep everything whole."""

    def along_channels(self, call) -> bool:
        return call.operation.axis in (-1, len(call.output.shape) - 1)

    def split(self, inputs) -> np.ndarray:
        return np.cumsum([channels.size for channels in inputs])[:-1]

    def forward(self, call, inputs):
        if not self.along_channels(call):
            return super().forward(call, inputs)
        return Channels(
            np.concatenate([channels.alive for channels in inputs]),
            np.concatenate([channels.fill for channels in inputs]),
        )

    def backward(self, call, inputs, needed):
        if not self.along_channels(call):
            return super().backward(call, inputs, needed)
        return np.split(needed, self.split(inputs))

    def build(self, call, inputs, output, needed, builder):
        if not self.along_channels(call):
            return super().build(call, inputs, output, needed, builder)
        wanted = np.split(output.alive & needed, self.split([p.channels for p in inputs]))
        parts = [
            piece.align(np.flatnonzero(mask), call.name)
            for piece, mask in zip(inputs, wanted, strict=True)
            if mask.any()
        ]
        kept = np.flatnonzero(output.alive & needed)
        if not parts:
            return Piece(None, kept, output)
        tensor = builder.repeat(call, parts) if len(parts) > 1 else parts[0]
        return Piece(tensor, kept, output)
