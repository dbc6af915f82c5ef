"""Blind gates: one small network maps u to the groups of all blocks, and sees no input."""

import math

import keras
from keras import ops

from keras_tnn.gates.learned import LearnedGate
from keras_tnn.quantities import check_count


@keras.saving.register_keras_serializable(package="keras_tnn")
class Blind(LearnedGate):
    """Log-odds of all groups from u: FC(1, 32), ReLU, FC(32, n) (hostetler2019, A.1).

    One gate decides for the whole network, so that it learns which blocks are worth most at each
    u. The papers train it while the data path is frozen, with `estimator=Concrete(0.1)` or with
    `estimator=Reinforce()`. Every level is then a plain network, as with gates of fixed order.

    Args:
        num_groups: Integer, the groups of all blocks together.
        min_groups: Integer, how many groups, the first ones, are always open.
        hidden_units: Integer, 32 in the paper.
        estimator: `keras_tnn.gates.Estimator`; defaults to `StraightThrough()`.
        open_probability: float in (0, 1), about which p of every group is before training.
        always_open: Optional list of group numbers, in place of `min_groups`.

    Input shape:
        `()` or `(batch,)`, utilization.

    Output shape:
        `(batch, num_groups)`, or `(1, num_groups)` for a scalar utilization.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> gate = Blind(num_groups=6, always_open=[0, 3], open_probability=0.01)
    >>> gate.pattern(0.5).tolist()
    [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    """

    whole_network = True

    def __init__(
        self,
        num_groups,
        min_groups=0,
        hidden_units=32,
        estimator=None,
        open_probability=0.5,
        always_open=None,
        **kwargs,
    ):
        super().__init__(num_groups, min_groups, estimator, open_probability, always_open, **kwargs)
        self.hidden_units = check_count(hidden_units, "hidden_units")
        # In half precision rounding would open and close groups.
        self.hidden = keras.layers.Dense(
            hidden_units, activation="relu", dtype="float32", name="hidden"
        )
        log_odds = math.log(open_probability / (1 - open_probability))
        self.output_logits = keras.layers.Dense(
            self.free_groups,
            bias_initializer=keras.initializers.Constant(log_odds),
            dtype="float32",
            name="logits",
        )

    def build(self, utilization_shape):
        self.hidden.build((None, 1))
        self.output_logits.build((None, self.hidden_units))
        self.built = True

    def logits(self, utilization, training=None):
        return self.output_logits(self.hidden(ops.expand_dims(utilization, -1)))

    def get_config(self):
        return {**super().get_config(), "hidden_units": self.hidden_units}
