"""The gate: a function (x, u) -> g in {0, 1}^D that says which groups of a block run."""

import numbers

import keras
import numpy as np
from keras import ops

from keras_tnn.gates.readings import leave_reading
from keras_tnn.utilization import check_utilization


class Gate(keras.layers.Layer):
    """Base class of all gates: maps utilization (and, if it likes, features) to open groups.

    A gate is a layer of its own, so that a throttleable layer can take it as an argument
    (`gate=`), several layers can share one, and a gate with weights trains like any layer. Called
    inside a functional model it becomes a node whose output, of shape `(batch, num_groups)`,
    throttleable layers accept in place of utilization.

    A subclass writes `open_groups`.

    Args:
        num_groups: Integer, the cardinality D: how many groups the gate opens and closes.
        min_groups: Integer in [0, num_groups], how many groups stay open at any utilization.
        normalize: Boolean. If true, the gate is divided by the number of open groups
            (hostetler2019, Eq. 3), so that a sum of groups keeps its scale.

    Call arguments:
        utilization: float tensor of shape `()` or `(batch,)`, values in (0, 1].
        features: tensor that a data-dependent gate reads, batch first. The gates of this package
            that depend on utilization alone ignore it.
        training: boolean, whether the gate may be random.

    Output shape:
        `(batch, num_groups)`, or `(1, num_groups)` for a scalar utilization.

    Raises:
        ValueError: if `num_groups` is not a positive integer or `min_groups` is out of range.
    """

    # Whether it must be called with the features of the layer that it gates.
    data_dependent = False
    # Whether what it opens depends on utilization.
    reads_utilization = True
    # Whether one gate decides for the groups of all layers at once.
    whole_network = False

    def __init__(self, num_groups, min_groups=0, normalize=False, **kwargs):
        # Half precision would round u across a step of d = floor(u (D + 1)).
        super().__init__(autocast=False, **kwargs)
        if not isinstance(num_groups, int) or isinstance(num_groups, bool) or num_groups < 1:
            raise ValueError(
                "Invalid value for `num_groups`. Expected a positive integer. "
                f"Received: num_groups={num_groups!r}"
            )
        if not isinstance(min_groups, int) or not 0 <= min_groups <= num_groups:
            raise ValueError(
                f"Invalid value for `min_groups`. Expected an integer in [0, {num_groups}]. "
                f"Received: min_groups={min_groups!r}"
            )
        self.num_groups = num_groups
        self.min_groups = min_groups
        self.normalize = normalize

    def __call__(self, utilization, *args, **kwargs):
        if isinstance(utilization, numbers.Number):  # Keras takes tensors only
            utilization = check_utilization(utilization)
        return super().__call__(utilization, *args, **kwargs)

    def build(self, utilization_shape, features_shape=None):
        self.built = True

    def count(self, utilization):
        """Number of open groups, d = min(D, floor(u (D + 1))) (liu2022, section 3.2.3).

        At u = k / D that is exactly k groups.

        Args:
            utilization: float tensor of any shape.

        Returns:
            Float tensor of the same shape, whole numbers in [min_groups, num_groups].
        """
        utilization = ops.cast(utilization, "float32")
        count = ops.floor(utilization * (self.num_groups + 1))
        return ops.clip(count, self.min_groups, self.num_groups)

    def open_groups(self, utilization, features=None, training=None):
        """Which groups are open: float tensor `(batch, num_groups)` of zeros and ones."""
        raise NotImplementedError(f"{type(self).__name__} must define `open_groups`.")

    def choose(self, utilization, features=None, training=None):
        """The gate's values, and their probabilities: float tensors `(batch or 1, num_groups)`."""
        gates = ops.cast(self.open_groups(utilization, features, training), "float32")
        return gates, gates

    def call(self, utilization, features=None, training=None):
        utilization = ops.reshape(utilization, (-1,))
        gates, probabilities = self.choose(utilization, features, training)
        leave_reading(self, gates, probabilities)
        if self.normalize:
            gates = gates / ops.maximum(ops.sum(gates, axis=-1, keepdims=True), 1.0)
        return ops.cast(gates, self.compute_dtype)

    def pattern(self, utilization: float) -> np.ndarray:
        """The gate's values at one fixed utilization, as inference uses them.

        Args:
            utilization: float in (0, 1].

        Returns:
            Float array of shape `(num_groups,)`; zero means closed.

        Raises:
            ValueError: if `utilization` is not in (0, 1].
        """
        utilization = check_utilization(utilization).reshape(1)
        return ops.convert_to_numpy(ops.cast(self(utilization, training=False), "float32"))[0]

    def compute_output_spec(self, utilization, features=None, training=None):
        batch = utilization.shape[0] if len(utilization.shape) else 1
        return keras.KerasTensor((batch, self.num_groups), dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "num_groups": self.num_groups,
            "min_groups": self.min_groups,
            "normalize": self.normalize,
        }
