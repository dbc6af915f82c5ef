"""Data-dependent gates: every sample decides which groups it needs (conditional computation)."""

import math

import keras
import numpy as np
from keras import layers, ops

from keras_tnn.gates.learned import LearnedGate
from keras_tnn.quantities import check_count


@keras.saving.register_keras_serializable(package="keras_tnn")
class DataDependent(LearnedGate):
    """Two logits a group from the features of a sample (herrmann2019, S1.4).

    The features are averaged over all positions; then each group has a network of its own: a 1x1
    convolution to 16 channels, batch normalisation, ReLU, and a 1x1 convolution to the logits w_0
    and w_1, with p = 1 / (1 + exp(w_0 - w_1)). With one group this is the gate of ConvNet-AIG
    (Veit and Belongie 2018), which opens a whole residual branch. The probabilities are near
    `open_probability` before training, as the last convolution starts with small weights and
    with a bias.

    Args:
        num_groups: Integer, the cardinality D.
        min_groups: Integer, how many groups, the first ones, are always open.
        hidden_units: Integer, channels of each group's first convolution; 16 in the paper.
        memory: Boolean, whether each group sees the tentative logits of all groups of the gate
            before it decides: they pass through a dense layer, batch normalisation, ReLU and a
            dense layer (S1.3). Both dense layers have as many units as there are logits.
        estimator: `keras_tnn.gates.Estimator`; defaults to `StraightThrough()`.
        open_probability: float in (0, 1), p of every group before training; ConvNet-AIG's is
            about 0.85.
        always_open: Optional list of group numbers, in place of `min_groups`.

    Call arguments:
        utilization: float tensor of shape `()` or `(batch,)`, which is not read.
        features: float tensor `(batch, ..., channels)`, channels last.
        training: boolean. In training batch statistics are used, of at least 2 samples.

    Output shape:
        `(batch, num_groups)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> gate = DataDependent(num_groups=4, min_groups=1, open_probability=0.3)
    >>> gate(1.0, features=np.ones((2, 8, 8, 3), "float32")).numpy().tolist()
    [[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    """

    reads = ("features",)

    def __init__(
        self,
        num_groups,
        min_groups=0,
        hidden_units=16,
        memory=False,
        estimator=None,
        open_probability=0.85,
        always_open=None,
        **kwargs,
    ):
        super().__init__(num_groups, min_groups, estimator, open_probability, always_open, **kwargs)
        self.check_decides()
        self.hidden_units = check_count(hidden_units, "hidden_units")
        self.memory = memory
        logits = (self.free_groups, 2)
        self.hidden = layers.Dense(self.free_groups * hidden_units, dtype="float32", name="hidden")
        self.normalization = normalization("normalization")
        last = {} if memory else self.opening()
        self.pairs = layers.EinsumDense(
            "bgh,ghl->bgl", logits, bias_axes="gl", dtype="float32", name="logits", **last
        )
        if memory:
            self.recall = layers.Dense(math.prod(logits), dtype="float32", name="recall")
            self.recall_normalization = normalization("recall_normalization")
            self.revised = layers.Dense(
                math.prod(logits), dtype="float32", name="revised_logits", **self.opening()
            )

    def opening(self) -> dict:
        """Initializers of the layer that ends in the logits."""
        half = math.log(self.open_probability / (1 - self.open_probability)) / 2
        bias = np.tile([-half, half], self.free_groups)
        return {
            "kernel_initializer": keras.initializers.RandomNormal(stddev=0.001),
            "bias_initializer": lambda shape, dtype: bias.reshape(shape).astype(dtype),
        }

    def build(self, utilization_shape, features_shape):
        units, count = self.free_groups * self.hidden_units, 2 * self.free_groups
        self.hidden.build((None, features_shape[-1]))
        self.normalization.build((None, units))
        self.pairs.build((None, self.free_groups, self.hidden_units))
        if self.memory:
            self.recall.build((None, count))
            self.recall_normalization.build((None, count))
            self.revised.build((None, count))
        self.built = True

    def logits(self, utilization, features, training=None):
        if training and features.shape[0] == 1:
            raise ValueError(
                f"Invalid batch in gate '{self.name}': batch normalisation of one sample is zero. "
                "Expected at least 2 samples in training. Received: 1. Leave the last batch out, "
                "or choose a batch size that does not leave a single sample."
            )
        x = ops.cast(features, "float32")
        x = ops.mean(x, axis=tuple(range(1, len(x.shape) - 1)))  # (batch, channels)
        x = ops.relu(self.normalization(self.hidden(x), training=training))
        x = ops.reshape(x, (-1, self.free_groups, self.hidden_units))
        pairs = self.pairs(x)  # (batch, free_groups, 2)
        if self.memory:
            pairs = self.remember(pairs, training)
        return pairs[..., 1] - pairs[..., 0]

    def remember(self, pairs, training):
        """The logits of each group after it has seen those of all."""
        x = ops.reshape(pairs, (-1, 2 * self.free_groups))
        x = ops.relu(self.recall_normalization(self.recall(x), training=training))
        return ops.reshape(self.revised(x), (-1, self.free_groups, 2))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "memory": self.memory,
        }


def normalization(name: str) -> layers.BatchNormalization:
    """With PyTorch's momentum and epsilon: there both papers trained their gates."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype="float32", name=name)
