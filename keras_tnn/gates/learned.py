"""The base of all gates that are learned: probabilities in training, a decision at inference."""

import math

import keras
import numpy as np
from keras import ops

from keras_tnn.gates.dial import Dial
from keras_tnn.gates.estimators import Estimator, StraightThrough
from keras_tnn.gates.gate import Gate
from keras_tnn.gates.inference import Threshold


class LearnedGate(Gate):
    """Base class of learned gates: group i is open with probability p_i (herrmann2019, 1.1).

    In training the estimator draws the groups. At inference `Threshold(0.5)` decides, or what
    `evaluate` and `predict` of a `ThrottledModel` are told (herrmann2019, 3.3); and in training,
    too, once the gate is frozen (`trainable = False`), as batch normalisation of Keras does.

    A subclass writes `logits`: the log-odds log(p / (1 - p)) of the groups that it decides on,
    which are all but the first `min_groups`, or all but `always_open`.

    A learned gate that several layers obey must be a node of the model, as a gate that is called
    twice draws twice.

    Args:
        num_groups: Integer, the cardinality D.
        min_groups: Integer in [0, num_groups], how many groups, the first ones, are always open.
        estimator: `keras_tnn.gates.Estimator`, how groups are drawn in training. Defaults to
            `StraightThrough()`.
        open_probability: float in (0, 1), p of every group before training.
        always_open: Optional list of group numbers, in place of `min_groups`: the groups that are
            always open, where they are not the first ones.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        num_groups,
        min_groups=0,
        estimator=None,
        open_probability=0.9,
        always_open=None,
        **kwargs,
    ):
        super().__init__(num_groups, min_groups, **kwargs)
        if isinstance(estimator, dict):
            estimator = keras.saving.deserialize_keras_object(estimator)
        estimator = StraightThrough() if estimator is None else estimator
        if not isinstance(estimator, Estimator):
            raise ValueError(
                "Invalid value for `estimator`. Expected a keras_tnn.gates.Estimator. "
                f"Received: estimator={estimator!r}"
            )
        if not 0 < open_probability < 1:
            raise ValueError(
                "Invalid value for `open_probability`. Expected a float in (0, 1). "
                f"Received: open_probability={open_probability!r}"
            )
        if always_open is not None and not set(always_open) <= set(range(num_groups)):
            raise ValueError(
                "Invalid value for `always_open`. Expected numbers of groups, from 0 to "
                f"{num_groups - 1}. Received: always_open={always_open!r}"
            )
        if always_open is not None and min_groups:
            raise ValueError(
                "`min_groups` and `always_open` both say which groups are always open. Expected "
                f"one of them. Received: min_groups={min_groups}, always_open={always_open!r}"
            )
        self.estimator = estimator
        self.open_probability = open_probability
        self.always_open = None if always_open is None else sorted(map(int, set(always_open)))
        self.inference = Dial(Threshold().dial)

    @property
    def free(self) -> list[int]:
        always = range(self.min_groups) if self.always_open is None else self.always_open
        return sorted({*range(self.num_groups)} - {*always})

    @property
    def free_groups(self) -> int:
        """How many groups the gate decides on."""
        return len(self.free)

    def check_decides(self):
        """Raises ValueError if all groups are always open, for gates that are not cut for good."""
        if not self.free_groups:
            raise ValueError(
                f"A {type(self).__name__} gate needs a group to decide on. Expected fewer groups "
                f"that are always open. Received: num_groups={self.num_groups}, "
                f"min_groups={self.min_groups}, always_open={self.always_open!r}"
            )

    def opening_logits(self) -> keras.layers.Dense:
        """A last layer by which groups are open with about `open_probability` before training."""
        log_odds = math.log(self.open_probability / (1 - self.open_probability))
        return keras.layers.Dense(
            self.free_groups,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(log_odds),
            dtype="float32",
            name="logits",
        )

    def logits(self, utilization, training=None, **read):
        """Log-odds of the free groups: float32 tensor `(batch or 1, free_groups)`.

        The arguments are those of `Gate.open_groups`; a gate that reads a state returns the
        tensor and the next gate's state.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `logits`.")

    def choose(self, utilization, training=None, threshold=None, **read):
        training = training and self.trainable
        samples = ops.shape(utilization)[0]
        logits, state = self.parted(self.logits(utilization, training=training, **read))
        probabilities = self.estimator.probabilities(logits)
        if training:
            values = self.estimator(logits, samples=samples)
        else:
            threshold = self.threshold(samples) if threshold is None else threshold
            values = ops.cast(ops.greater(probabilities, threshold), "float32")
        return self.with_open_groups(values), self.with_open_groups(probabilities), state

    def threshold(self, samples):
        """offset + scale U, with U ~ Uniform(0, 1) and both numbers on the dial."""
        shape = (samples, self.free_groups)
        noise = keras.random.uniform(shape, dtype="float32", seed=self.estimator.seed_generator)
        offset, scale = self.inference.state[0], self.inference.state[1]
        return offset + scale * noise

    def with_open_groups(self, values):
        """Adds ones for the groups that are always open: `(batch, num_groups)`."""
        if self.free_groups == self.num_groups:
            return values
        places = np.full(self.num_groups, self.free_groups, "int32")  # that of the one
        places[self.free] = np.arange(self.free_groups)
        one = ops.ones((ops.shape(values)[0], 1), "float32")
        return ops.take(ops.concatenate([values, one], axis=-1), places, axis=-1)

    def get_config(self):
        config = super().get_config()
        config.pop("normalize")
        return {
            **config,
            "estimator": keras.saving.serialize_keras_object(self.estimator),
            "open_probability": self.open_probability,
            "always_open": self.always_open,
        }
