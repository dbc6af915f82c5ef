"""The base of all gates that are learned: probabilities in training, a decision at inference."""

import keras
from keras import ops

from keras_tnn.gates.dial import Dial
from keras_tnn.gates.estimators import Estimator, StraightThrough
from keras_tnn.gates.gate import Gate
from keras_tnn.gates.inference import Threshold


class LearnedGate(Gate):
    """Base class of learned gates: group i is open with probability p_i (herrmann2019, 1.1).

    In training the estimator draws the groups. At inference `Threshold(0.5)` decides, or what
    `evaluate` and `predict` of a `ThrottledModel` are told (herrmann2019, 3.3).

    A subclass writes `logits`: the log-odds log(p / (1 - p)) of the groups that it decides on,
    which are all but the first `min_groups`; those are always open.

    A learned gate that several layers obey must be a node of the model, as a gate that is called
    twice draws twice.

    Args:
        num_groups: Integer, the cardinality D.
        min_groups: Integer in [0, num_groups], how many groups, the first ones, are always open.
        estimator: `keras_tnn.gates.Estimator`, how groups are drawn in training. Defaults to
            `StraightThrough()`.
        open_probability: float in (0, 1), p of every group before training.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, num_groups, min_groups=0, estimator=None, open_probability=0.9, **kwargs):
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
        self.estimator = estimator
        self.open_probability = open_probability
        self.inference = Dial(Threshold().dial)

    @property
    def free_groups(self) -> int:
        """How many groups the gate decides on."""
        return self.num_groups - self.min_groups

    def logits(self, utilization, features=None, training=None):
        """Log-odds of the free groups: float32 tensor `(batch or 1, free_groups)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `logits`.")

    def choose(self, utilization, features=None, training=None):
        samples = ops.shape(utilization if features is None else features)[0]
        logits = self.logits(utilization, features, training)
        probabilities = self.estimator.probabilities(logits)
        if training:
            values = self.estimator(logits, samples=samples)
        else:
            values = self.decide(probabilities, samples)
        return self.with_open_groups(values), self.with_open_groups(probabilities)

    def decide(self, probabilities, samples):
        """Open where p > offset + scale U, with U ~ Uniform(0, 1) and both numbers on the dial."""
        shape = (samples, self.free_groups)
        noise = keras.random.uniform(shape, dtype="float32", seed=self.estimator.seed_generator)
        offset, scale = self.inference.state[0], self.inference.state[1]
        return ops.cast(ops.greater(probabilities, offset + scale * noise), "float32")

    def with_open_groups(self, values):
        """Puts the groups that are always open before the free ones."""
        always = ops.ones((ops.shape(values)[0], self.min_groups), "float32")
        return ops.concatenate([always, values], axis=-1)

    def get_config(self):
        config = super().get_config()
        config.pop("normalize")
        return {
            **config,
            "estimator": keras.saving.serialize_keras_object(self.estimator),
            "open_probability": self.open_probability,
        }
