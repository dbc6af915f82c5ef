"""A learned gate whose way to decide is fixed: what is left of it in a network that ships."""

import keras
from keras import ops

from keras_tnn.gates import Gate


@keras.saving.register_keras_serializable(package="keras_tnn")
class HardGate(keras.layers.Layer):
    """Group i is open where its probability p_i is above the threshold (herrmann2019, 3.3).

    It wraps a gate and takes its place: same call arguments, same output, but no random numbers
    and no dial.

    Args:
        gate: `keras_tnn.gates.Gate`. One that is not learned decides as it always does.
        threshold: float in (0, 1), the paper's tau.

    Call arguments:
        utilization: as for the gate.
        features, image, state: as for the gate.

    Output shape:
        `(batch, num_groups)`, zeros and ones; and the state, where the gate reads one.

    Raises:
        ValueError: if `gate` is no gate.

    Example:

    >>> gate = keras_tnn.gates.DataIndependent(num_groups=2, open_probability=0.7)
    >>> [HardGate(gate, threshold)(np.ones(1)).numpy().tolist() for threshold in (0.6, 0.8)]
    [[[1.0, 1.0]], [[0.0, 0.0]]]
    """

    def __init__(self, gate, threshold=0.5, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.gate = keras.saving.deserialize_keras_object(gate) if isinstance(gate, dict) else gate
        if not isinstance(self.gate, Gate):
            raise ValueError(
                "Invalid value for `gate`. Expected a keras_tnn.gates.Gate. "
                f"Received: gate={gate!r}"
            )
        self.threshold = threshold

    def build(self, utilization_shape, features_shape=None, image_shape=None, state_shape=None):
        self.gate.build_for(
            utilization_shape, features=features_shape, image=image_shape, state=state_shape
        )
        self.built = True

    def call(self, utilization, features=None, image=None, state=None):
        made = self.gate(
            utilization, features, image, state, training=False, threshold=self.threshold
        )
        gates, state = self.gate.parted(made)
        gates = ops.cast(gates, self.compute_dtype)
        return gates if state is None else (gates, state)

    def compute_output_spec(self, utilization, features=None, image=None, state=None):
        made = self.gate.compute_output_spec(utilization, features, image, state)
        gates, state = self.gate.parted(made)
        gates = keras.KerasTensor(gates.shape, dtype=self.compute_dtype)
        return gates if state is None else (gates, state)

    def get_config(self):
        return {
            **super().get_config(),
            "gate": keras.saving.serialize_keras_object(self.gate),
            "threshold": self.threshold,
        }
