"""What a budget policy learns: actions that earn more than its critic expects (chen2020)."""

import keras
from keras import ops

from keras_tnn.gates import BudgetPolicy, Decision
from keras_tnn.losses import BudgetReward, Complexity, class_probabilities
from keras_tnn.losses.class_probabilities import class_numbers
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

    def loss(self, costs, decisions, sample_weight=None):
        rows = (ops.expand_dims(x, -1) for x in (-costs, self.expected_reward(decisions)))
        return keras.losses.Huber(delta=1.0)(*rows, sample_weight)

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
        self.metrics = (keras.metrics.Mean("reward"),)

    def check(self, y):
        if y is None:
            raise ValueError(
                "A reward compares the classes of a network with the labels. Expected `y`, or a "
                "data set of (x, y). Received: y=None"
            )

    def rewards(self, model, forward, y, y_pred):
        """R of each sample, `(batch,)`."""
        usage = ops.mean(self.complexity(forward.decisions), axis=-1)  # (batch,)
        earned = self.reward(right_answers(model, y, y_pred), usage, forward.utilization)
        return ops.stop_gradient(earned)

    def observe(self, model, forward, y, y_pred, sample_weight=None):
        (mean,) = self.metrics
        mean.update_state(self.rewards(model, forward, y, y_pred), sample_weight)

    def part(self, model, forward, y, y_pred, sample_weight=None):
        costs = -self.rewards(model, forward, y, y_pred)
        return score_surrogate(costs, forward.decisions, self.critic, sample_weight)


def right_answers(model, y, y_pred):
    """Which samples are classified rightly: float tensor `(batch,)` of ones and zeros.

    Args:
        model: compiled; its loss says what one column means, a probability or a logit.
        y: class numbers, or one-hot rows.
        y_pred: scores of classes `(batch, classes)`, or one of yes, `(batch, 1)`.

    Raises:
        ValueError: if the output is not one score a class.
    """
    if not hasattr(y_pred, "shape") or len(y_pred.shape) != 2:
        shapes = [tuple(x.shape) for x in keras.tree.flatten(y_pred)]
        raise ValueError(
            "A reward needs a classifier. Expected one output of shape (batch, classes). "
            f"Received: {shapes}"
        )
    probabilities = class_probabilities(model)(y_pred) if y_pred.shape[-1] == 1 else y_pred
    predicted = ops.cast(ops.argmax(probabilities, axis=-1), "int32")
    return ops.cast(class_numbers(y) == predicted, "float32")
