"""Batch normalisation: a scale and a shift for each channel."""

import numpy as np
from keras import layers, ops

from keras_tnn.surgery.rule import rule
from keras_tnn.surgery.rules.per_channel import PerChannel


@rule(layers.BatchNormalization)
class BatchNormalizationRule(PerChannel):
    """At inference a constant c becomes gamma (c - mean) / sqrt(variance + epsilon) + beta."""

    def fill(self, call, fill):
        layer = call.operation
        if layer.axis not in (-1, len(call.output.shape) - 1):
            raise ValueError(
                f"Layer '{layer.name}' normalises axis {layer.axis}. Expected the last axis."
            )
        mean = ops.convert_to_numpy(layer.moving_mean)
        variance = ops.convert_to_numpy(layer.moving_variance)
        gamma = ops.convert_to_numpy(layer.gamma) if layer.scale else 1.0
        beta = ops.convert_to_numpy(layer.beta) if layer.center else 0.0
        return gamma * (fill - mean) / np.sqrt(variance + layer.epsilon) + beta
