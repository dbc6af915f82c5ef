"""What learned gates learn besides the task: to keep the network's complexity at a target.

L = L_task + weight C(target, complexity), with weight decay on the gates' own weights divided by
the number of gates (herrmann2019, 3.2 to 3.4 and 4.1; liu2022, Eq. 4).
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_tnn.gates import Decision, LearnedGate


@dataclass(frozen=True)
class ForwardPass:
    """What a forward pass leaves for the loss.

    Attributes:
        utilization: float tensor `(batch,)`.
        decisions: what each gate chose.
    """

    utilization: Any
    decisions: list[Decision]


class GateObjective:
    """The part of the loss that depends on the gates.

    Args:
        penalty: `keras.losses.Loss` on `(target, complexity)`.
        complexity: maps the decisions of a forward pass to complexities `(batch, columns)`.
        weight: float, lambda of liu2022, Eq. 4.
        weight_decay: float, divided by the number of free groups.
        follows_utilization: whether every sample's u is its target; else the model's `target`
            dial holds it.
        update: None, or how the target moves after each batch: a function of `(target, mean
            complexity of the batch, batches before it in the epoch)`.

    Example:

    ```python
    share = keras_tnn.losses.MacsShare(model)
    model.objective = GateObjective(keras_tnn.losses.BatchActivation(), share, 1.0, 20e-4)
    ```
    """

    def __init__(
        self, penalty, complexity, weight, weight_decay, follows_utilization=False, update=None
    ):
        self.penalty = penalty
        self.complexity = complexity
        self.weight = weight
        self.weight_decay = weight_decay
        self.follows_utilization = follows_utilization
        self.update = update

    def loss(self, model, forward: ForwardPass, y, y_pred):
        """The loss to add to the task's."""
        columns = self.complexity(forward.decisions)
        target = forward.utilization if self.follows_utilization else model.target.state[0]
        penalty = self.weight * self.penalty.call(target, columns)  # () or (batch,)
        total = ops.mean(penalty) + self.decay(model.learned_gates)
        learned = [r for r in forward.decisions if isinstance(r.gate, LearnedGate)]
        scored = [decision for decision in learned if decision.gate.estimator.uses_score]
        if scored:
            total += score_surrogate(sample_losses(model, y, y_pred) + penalty, scored)
        if self.update:
            batches = model.target.state[1]
            moved = self.update(target, ops.mean(columns), batches)
            model.target.state.assign(ops.stack([ops.stop_gradient(moved), batches + 1]))
        return total

    def decay(self, gates: list[LearnedGate]):
        """weight_decay / |G| times half the sum of squares, whose gradient is that of decay."""
        weights = [w for gate in gates for w in gate.trainable_weights]
        if not weights or not self.weight_decay:
            return 0.0
        squares = sum(ops.sum(ops.square(ops.cast(w, "float32"))) for w in weights)
        return self.weight_decay / sum(gate.free_groups for gate in gates) * squares / 2


def score_surrogate(costs, decisions: list[Decision]):
    """Its gradient is the mean of (J - b) grad log Pr(g) (REINFORCE; liu2022, Eq. 10 and 11).

    The baseline b of a sample is the mean cost of the other samples of its batch, which does not
    depend on the sample's own gates.

    Args:
        costs: J of each sample, `(batch,)`.
        decisions: of the gates that learn by their score function.
    """
    others = ops.cast(ops.maximum(ops.shape(costs)[0] - 1, 1), costs.dtype)
    baseline = (ops.sum(costs) - costs) / others
    log_probability = sum(decision.log_probability for decision in decisions)
    return ops.mean(ops.stop_gradient(costs - baseline) * log_probability)


def sample_losses(model, y, y_pred):
    """The compiled loss of each sample, `(batch,)`."""
    loss = keras.losses.get(model.loss)
    values = loss.call(y, y_pred) if isinstance(loss, keras.losses.Loss) else loss(y, y_pred)
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=-1)
