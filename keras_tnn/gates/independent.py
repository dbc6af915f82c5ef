"""Independent gating: groups open in an order of their own for each sample."""

import keras
import numpy as np
from keras import ops

from keras_tnn.gates.gate import Gate


@keras.saving.register_keras_serializable(package="keras_tnn")
class Independent(Gate):
    """Opens d = min(D, floor(u (D + 1))) groups chosen at random without replacement.

    In training every sample draws its own groups (hostetler2019, 4.1; liu2022, 3.2.3). At
    inference the order is fixed by `seed`, so that a level can be deployed.

    Args:
        num_groups: Integer, the cardinality D.
        min_groups: Integer, how many groups stay open at any utilization.
        normalize: Boolean, divide by the number of open groups (hostetler2019, Eq. 3).
        seed: Integer, fixes the order at inference and starts the draws in training.

    Input shape:
        `()` or `(batch,)`, utilization.

    Output shape:
        `(batch, num_groups)`.

    Example:

    >>> gate = Independent(num_groups=8, seed=1)
    >>> int(gate.pattern(0.5).sum())
    4
    """

    def __init__(self, num_groups, min_groups=0, normalize=False, seed=0, **kwargs):
        super().__init__(num_groups, min_groups, normalize, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def open_groups(self, utilization, training=None):
        count = ops.expand_dims(self.count(utilization), -1)
        if training:
            shape = (ops.shape(utilization)[0], self.num_groups)
            noise = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
            # Sorting noise twice gives each group its rank in a random permutation.
            rank = ops.argsort(ops.argsort(noise, axis=-1), axis=-1)
            return ops.greater(count, ops.cast(rank, "float32"))
        rank = np.random.default_rng(self.seed).permutation(self.num_groups)
        return ops.greater(count, rank.astype("float32"))

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}
