"""Tables whose rows are looked up."""

import math

from keras import layers

from keras_tnn.surgery.arguments import argument, product
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Rule


@rule(layers.Embedding)
class EmbeddingRule(Rule):
    """A look-up multiplies nothing, and reads the rows that it hands on."""

    def macs(self, call):
        return 0

    def looks_up(self, call):
        return True


@rule(layers.ReversibleEmbedding)
class ReversibleEmbeddingRule(EmbeddingRule):
    """Forward it looks rows up; in reverse it is a dense layer."""

    def macs(self, call):
        if self.looks_up(call):
            return 0
        table = math.prod(call.operation.embeddings.shape)
        return table * product(call, call.output.shape[1:-1])

    def looks_up(self, call):
        return not argument(call, 1, "reverse")
