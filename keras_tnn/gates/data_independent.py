"""Data-independent gates: which groups run is learned once for all inputs (pruning)."""

import math

import keras
import numpy as np

from keras_tnn.gates.learned import LearnedGate


@keras.saving.register_keras_serializable(package="keras_tnn")
class DataIndependent(LearnedGate):
    """Two logits a group: p = 1 / (1 + exp(w_0 - w_1)) (herrmann2019, 3.2).

    Trained by `keras_tnn.callbacks.BatchActivation`, most probabilities go to 0 or 1, and
    `materialize` cuts what is closed for good.

    Args:
        num_groups: Integer, the cardinality D.
        min_groups: Integer, how many groups are always open.
        estimator: `keras_tnn.gates.Estimator`; defaults to `StraightThrough()`.
        open_probability: float in (0, 1), p of every group before training.
        always_open: Optional list of group numbers, in place of `min_groups`.

    Input shape:
        `()` or `(batch,)`, utilization, which is not read.

    Output shape:
        `(batch, num_groups)`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> gate = DataIndependent(num_groups=4, min_groups=1, open_probability=0.3)
    >>> gate.pattern(1.0).tolist()  # p = 0.3 is below the threshold of 0.5
    [1.0, 0.0, 0.0, 0.0]
    """

    reads = ()

    def build(self, utilization_shape):
        half = math.log(self.open_probability / (1 - self.open_probability)) / 2
        self.pairs = self.add_weight(
            shape=(self.free_groups, 2),
            initializer=lambda shape, dtype: np.broadcast_to([-half, half], shape).astype(dtype),
            dtype="float32",
            autocast=False,
            name="logits",
        )
        self.built = True

    def logits(self, utilization, training=None):
        return keras.ops.expand_dims(self.pairs[:, 1] - self.pairs[:, 0], 0)  # (1, free_groups)
