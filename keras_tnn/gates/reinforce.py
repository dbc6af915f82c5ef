"""The score function estimator: zeros and ones without a gradient of their own."""

import keras
from keras import ops

from keras_tnn.gates.dial import Dial
from keras_tnn.gates.estimators import Estimator


@keras.saving.register_keras_serializable(package="keras_tnn")
class Reinforce(Estimator):
    """Zeros and ones; the gradient is E[J grad log Pr(g)] (hostetler2019, 4.2; liu2022, Eq. 10).

    What is drawn has no gradient. The loss gets the term whose gradient is the one above from
    `Decision.log_probability`: `keras_tnn.callbacks.BatchActivation` adds it.

    p = alpha sigmoid(l) + (1 - alpha) (1 - sigmoid(l)), the modified sigmoid of hostetler2019,
    A.1, stays in [1 - alpha, alpha], so that early in training no gate is certain. The paper
    anneals alpha from 0.8 to 0.99 over the first 20 epochs: `turn`. A saved model keeps alpha.

    Args:
        alpha: float in (0.5, 1]; with 1 this is the plain sigmoid.
        seed: Integer, starts the draws; by default one of Keras' own random seeds.

    Raises:
        ValueError: if `alpha` is out of range.

    Example:

    >>> estimator = Reinforce(alpha=0.75)
    >>> estimator.probabilities(np.float32([-30, 0, 30])).numpy().tolist()
    [0.25, 0.5, 0.75]
    >>> estimator.turn(1.0)
    >>> estimator.probabilities(np.float32([0, 30])).numpy().tolist()
    [0.5, 1.0]
    """

    uses_score = True

    def __init__(self, alpha=0.8, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.alpha = check_alpha(alpha)
        self.modified = Dial([alpha])

    def turn(self, alpha: float):
        """Sets alpha, also between two steps that are compiled.

        Args:
            alpha: float in (0.5, 1].

        Raises:
            ValueError: if `alpha` is out of range.
        """
        self.alpha = check_alpha(alpha)
        self.modified.turn([alpha])

    def probabilities(self, logits):
        alpha, p = self.modified.state[0], ops.sigmoid(logits)
        return alpha * p + (1 - alpha) * (1 - p)

    def sample(self, logits, samples):
        p = self.probabilities(logits)
        shape = (samples, logits.shape[-1])
        noise = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        return ops.cast(ops.less(noise, p), "float32")

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


def check_alpha(alpha) -> float:
    """Returns `alpha`, or raises ValueError."""
    valid = isinstance(alpha, (int, float)) and not isinstance(alpha, bool)
    if not valid or not 0.5 < alpha <= 1:
        raise ValueError(
            f"Invalid value for `alpha`. Expected a float in (0.5, 1]. Received: alpha={alpha!r}"
        )
    return alpha
