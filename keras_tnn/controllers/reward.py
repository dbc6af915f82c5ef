"""What a choice of utilization is worth."""

import keras
from keras import ops

from keras_tnn.quantities import check_not_negative


@keras.saving.register_keras_serializable(package="keras_tnn")
class Reward:
    """The reward of running a level (liu2022, Eq. 13).

    A right answer earns exp(1 - c) (1 - c), a wrong one loses (p + gamma_1) (c + gamma_2), where c
    is what the level costs and p the probability that it gave to its answer. So a right answer at
    full cost earns nothing, and a wrong one there loses most. In the loss gamma_1 prices
    computation, as it is multiplied by c, and gamma_2 misplaced confidence, as it is multiplied
    by p; the paper's text names them the other way round.

    Args:
        gamma_1: float, 0 or more.
        gamma_2: float, 0 or more.

    Call arguments:
        right: booleans, any shape.
        confidence: p in [0, 1], of the same shape.
        cost: c in (0, 1], of the same shape or broadcast to it.

    Returns:
        Float tensor of that shape.

    Raises:
        ValueError: if a gamma is negative.

    Example:

    >>> reward = Reward()
    >>> worth = reward(np.array([True, True, False]), np.ones(3), np.array([0.5, 1.0, 1.0]))
    >>> [round(float(one), 3) for one in worth]
    [0.824, 0.0, -3.75]
    """

    def __init__(self, gamma_1: float = 0.5, gamma_2: float = 1.5):
        self.gamma_1 = check_not_negative(gamma_1, "gamma_1")
        self.gamma_2 = check_not_negative(gamma_2, "gamma_2")

    def __call__(self, right, confidence, cost):
        confidence, cost = (ops.convert_to_tensor(x, "float32") for x in (confidence, cost))
        earned = ops.exp(1 - cost) * (1 - cost)
        lost = (confidence + self.gamma_1) * (cost + self.gamma_2)
        return ops.where(right, earned, -lost)

    def get_config(self):
        return {"gamma_1": self.gamma_1, "gamma_2": self.gamma_2}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
