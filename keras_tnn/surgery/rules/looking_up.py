"""Tables whose rows are looked up."""

import math

import numpy as np
from keras import layers

from keras_tnn.surgery.arguments import argument, product
from keras_tnn.surgery.calls import width
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule


@rule(layers.Embedding)
class EmbeddingRule(Rule):
    """A look-up multiplies nothing, and reads the rows that it hands on."""

    def tie(self, call, inputs, ties):
        for labels in inputs:
            ties.pin(labels)
        return ties.fresh(width(call.output))

    def keep(self, call, inputs, wanted):
        return Kept(tuple(np.ones(x.size, bool) for x in inputs), wanted)

    def weights(self, call, kept):
        return [(None, kept.makes)]

    def changes(self, call, kept):
        return {"output_dim": int(kept.makes.sum())}

    def macs(self, call):
        return 0

    def looks_up(self, call):
        return True


@rule(layers.ReversibleEmbedding)
class ReversibleEmbeddingRule(Rule):
    """Forward it looks rows up; in reverse it is a dense layer. Its channels stay whole."""

    def macs(self, call):
        if self.looks_up(call):
            return 0
        table = math.prod(call.operation.embeddings.shape)
        return table * product(call, call.output.shape[1:-1])

    def looks_up(self, call):
        return not argument(call, 1, "reverse")
