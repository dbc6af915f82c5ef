"""What a budget policy learns: actions that earn more than its critic expects (chen2020)."""

import keras
from keras import ops

from keras_tnn.gates import BudgetPolicy, Decision
from keras_tnn.losses import BudgetReward, Complexity
from keras_tnn.training.baseline import Baseline
from keras_tnn.training.gate_objective import Objective, score_surrogate


class Critic(Baseline):
    """V(x, c), which a `keras_tnn.gates.BudgetPolicy` leaves in its decision.

    A cost is a negative reward, so the expected cost is -V. The critic learns by the smooth L1
    loss of R - V (Eq. 9 and 10).

    Example:

    >>> policy = keras_tnn.gates.BudgetPolicy(2)
    >>> decisions = [keras_tnn.gates.Decision(policy, None, None, np.array([0.5, -1.0]))]
    >>> Critic().values(np.array([-1.0, 3.0]), decisions).numpy().tolist()
    [-0.5, 1.0]
    >>> float(Critic().loss(np.array([-1.0, 3.0]), decisions))  # 0.5 0.5^2 and 2 - 0.5
    0.8125
    """

    def values(self, costs, decisions):
        return -self.expected_reward(decisions)

    def loss(self, costs, decisions):
        return keras.losses.Huber(delta=1.0)(-costs, self.expected_reward(decisions))

    def expected_reward(self, decisions: list[Decision]):
        return ops.convert_to_tensor(
            next(one.state for one in decisions if isinstance(one.gate, BudgetPolicy))
        )


class BudgetObjective(Objective):
    """The policy gradient of Eq. 8, with the advantage R(u, c) - V(x, c) (Eq. 7).

    Args:
        reward: `keras_tnn.losses.BudgetReward`.
        complexity: what the reward counts as usage, from the decisions of a forward pass.
    """

    def __init__(self, reward: BudgetReward, complexity: Complexity):
        self.reward, self.complexity, self.critic = reward, complexity, Critic()

    def check(self, y):
        if y is None:
            raise ValueError(
                "A reward compares the classes of a network with the labels. Expected `y`, or a "
                "data set of (x, y). Received: y=None"
            )

    def part(self, model, forward, y, y_pred, sample_weight=None):
        usage = ops.mean(self.complexity(forward.decisions), axis=-1)  # (batch,)
        reward = self.reward(right_answers(y, y_pred), usage, forward.utilization)
        return score_surrogate(ops.stop_gradient(-reward), forward.decisions, self.critic)


def right_answers(y, y_pred):
    """Which samples are classified rightly: float tensor `(batch,)` of ones and zeros.

    Args:
        y: class numbers, or one-hot rows.
        y_pred: scores of classes `(batch, classes)`; of one column, the probability of yes.

    Raises:
        ValueError: if the output is not one score a class.
    """
    if not hasattr(y_pred, "shape") or len(y_pred.shape) != 2:
        shapes = [tuple(x.shape) for x in keras.tree.flatten(y_pred)]
        raise ValueError(
            "A reward needs a classifier. Expected one output of shape (batch, classes). "
            f"Received: {shapes}"
        )
    if y_pred.shape[-1] == 1:
        chosen = ops.cast(y_pred[:, 0] > 0.5, "int32")
        wanted = ops.reshape(ops.cast(y, "int32"), (-1,))
    else:
        one_hot = len(y.shape) == 2 and y.shape[-1] == y_pred.shape[-1]
        chosen = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        wanted = ops.argmax(y, axis=-1) if one_hot else ops.reshape(y, (-1,))
    return ops.cast(chosen == ops.cast(wanted, "int32"), "float32")
