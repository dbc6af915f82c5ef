"""What learned gates learn besides the task: to keep the network's complexity at a target.

L = L_task + weight C(target, complexity), with weight decay on the gates' own weights divided by
the number of gates (herrmann2019, 3.2 to 3.4 and 4.1; liu2022, Eq. 4).
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_tnn.gates import Decision, LearnedGate
from keras_tnn.training.baseline import Baseline, LeaveOneOut
from keras_tnn.training.sample_losses import SampleLosses, weighted_mean


@dataclass(frozen=True)
class ForwardPass:
    """What a forward pass leaves for the loss.

    Attributes:
        utilization: float tensor `(batch,)`.
        decisions: what each gate chose.
    """

    utilization: Any
    decisions: list[Decision]


class Objective:
    """The part of the loss that depends on what gates chose. A subclass writes `part`.

    Attributes:
        metrics: of the model while it has the objective; `observe` updates them.
    """

    metrics: tuple[keras.metrics.Metric, ...] = ()

    def observe(self, model, forward: ForwardPass, y, y_pred, sample_weight=None):
        """Called in training and evaluation. Arguments as for `loss`."""

    def ready(self, model):
        """Called outside any compiled step, with a compiled model, before the steps of training."""

    def check(self, y):
        """Raises ValueError if the labels are not what `part` needs."""

    def part(self, model, forward: ForwardPass, y, y_pred, sample_weight=None):
        """A scalar. Arguments as for `loss`."""
        raise NotImplementedError(f"{type(self).__name__} must define `part`.")

    def loss(self, model, forward: ForwardPass, y, y_pred, sample_weight=None):
        """The loss to add to the task's.

        Args:
            model: `keras_tnn.ThrottledModel`.
            forward: what the forward pass left.
            y, y_pred, sample_weight: as the compiled loss takes them.
        """
        total = ops.reshape(self.part(model, forward, y, y_pred, sample_weight), (1,))
        return OfReplica()(total, total)


class GateObjective(Objective):
    """The task and a target of complexity.

    Args:
        penalty: `keras.losses.Loss` on `(target, complexity)`.
        complexity: maps the decisions of a forward pass to complexities `(batch, columns)`.
        weight: float, lambda of liu2022, Eq. 4.
        weight_decay: float, divided by the number of free groups.
        follows_utilization: whether every sample's u is its target; else the model's `target`
            dial holds it.
        baseline: `Baseline` of gates that learn by a score function; defaults to `LeaveOneOut()`.
        update: None, or how the target moves after each batch: a function of `(target, mean
            complexity of the batch, batches before it in the epoch)`.

    Example:

    ```python
    share = keras_tnn.losses.MacsShare(model)
    model.objective = GateObjective(keras_tnn.losses.BatchActivationLoss(), share, 1.0, 20e-4)
    ```
    """

    def __init__(
        self,
        penalty,
        complexity,
        weight,
        weight_decay,
        follows_utilization=False,
        update=None,
        baseline: Baseline | None = None,
    ):
        self.penalty = penalty
        self.complexity = complexity
        self.weight = weight
        self.weight_decay = weight_decay
        self.follows_utilization = follows_utilization
        self.update = update
        self.baseline = baseline or LeaveOneOut()
        self.task = None

    def ready(self, model):
        if any(has_score(gate) for gate in model.gates):
            self.task = SampleLosses(model)

    def part(self, model, forward, y, y_pred, sample_weight=None):
        columns = self.complexity(forward.decisions)
        target = forward.utilization if self.follows_utilization else model.target.state[0]
        penalty = self.weight * self.penalty.call(target, columns)  # () or (batch,)
        total = ops.mean(penalty) + self.decay(model.learned_gates)
        if any(has_score(decision.gate) for decision in forward.decisions):
            costs = ops.stop_gradient(self.task.of(y, y_pred, sample_weight) + penalty)
            total += score_surrogate(costs, forward.decisions, self.baseline)
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


def score_surrogate(costs, decisions: list[Decision], baseline: Baseline, sample_weight=None):
    """Its gradient is the mean of (J - b) grad log Pr(g) (REINFORCE; liu2022, Eq. 10 and 11).

    Args:
        costs: J of each sample, `(batch,)`.
        decisions: of all gates; those with a score function learn by it.
        baseline: gives b.
        sample_weight: of each sample, `(batch,)`, where it is not in the costs.
    """
    scored = [one for one in decisions if has_score(one.gate)]
    log_probability = sum(one.log_probability for one in scored)
    advantage = ops.stop_gradient(costs - baseline.values(costs, decisions))
    surrogate = weighted_mean(advantage * log_probability, sample_weight)
    return surrogate + baseline.loss(costs, decisions, sample_weight)


def has_score(gate) -> bool:
    """Whether a gate learns by the score function rather than through its draws."""
    return isinstance(gate, LearnedGate) and gate.estimator.uses_score


class OfReplica(keras.losses.Loss):
    """Hands a value on as a replica's part of the loss.

    Gradients of replicas are summed, so Keras divides each compiled loss by their number. What is
    added to it must be divided alike, or it counts once for each replica.
    """

    def call(self, y_true, y_pred):
        return y_pred
