"""Layers without weights that need the whole of their inputs."""

from keras import layers

from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Rule


@rule(layers.CategoryEncoding, layers.Softmax, "LogSoftmax", "Softmax")
class ReadsAll(Rule):
    """Each output depends on all channels, so nothing is done in passing."""

    def looks_at(self, call, x):
        return None

    def puts(self, call, axis):
        return axis

    def passes_values_on(self, call):
        return False


@rule(layers.Masking)
class MaskingRule(Rule):
    """Zeros where all channels are the masked value."""

    def passes_values_on(self, call):
        return True
