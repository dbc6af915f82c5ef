"""Learned gates are trained towards a target: the batch activation loss and its relatives."""

from collections.abc import Callable

import keras
import numpy as np

from keras_tnn.callbacks.trains_gates import TrainsGates
from keras_tnn.callbacks.way import Way, warn_if_too_short
from keras_tnn.losses.activation import BatchActivationLoss
from keras_tnn.losses.complexity import complexity_maker
from keras_tnn.losses.complexity_penalty import DistanceComplexity
from keras_tnn.quantities import check_count, check_not_negative, check_share
from keras_tnn.training import Baseline, GateObjective
from keras_tnn.training.controls_gates import check_learned_gates


def moving_mean(target, rate, batches):
    """The mean of the batches so far; the start of the epoch counts as one."""
    return target + (rate - target) / (batches + 2)


def exponential_mean(target, rate, batches, momentum=0.99):
    """The exponential moving average."""
    return momentum * target + (1 - momentum) * rate


UPDATES = {None: None, "mean": moving_mean, "exponential": exponential_mean}


class BatchActivation(TrainsGates):
    """Adds the batch activation loss to the compiled loss of a model with learned gates.

    L = L_task + weight (t - Q)^2, where Q is the share of open gates in the batch
    (herrmann2019, Eq. 1), or the network's share of MACs (3.4), or another complexity.

    The logs get "target_rate" beside the model's own "activation_rate" and "polarization", and
    `fit(...).history["gate_rates"]` gets, for each epoch, the rates of the groups of each gate.
    What gates draw in an epoch follows from its number and `seed`, so a run that was killed and
    resumed by `keras.callbacks.BackupAndRestore` goes on as if nothing had happened.

    Args:
        target: float in [0, 1], the rate t; or "utilization": every sample's u is its target, as
            gates of u need it (liu2022, Eq. 4).
        loss: `keras.losses.Loss` on `(target, complexity)` of `keras_tnn.losses`. Defaults to
            `BatchActivationLoss()`; for target="utilization" to `DistanceComplexity()`.
        complexity: "gates" (the share of open gates), "macro" (liu2022, Eq. 7), "macs", "energy";
            or a function that makes one from the model, see `keras_tnn.losses.complexity`.
        weight: float, lambda of liu2022, Eq. 4; 1 in herrmann2019.
        start: float in [0, 1] or None. The target of the first epochs, which falls to `target`
            (annealing, S1.1).
        step: float in (0, 1], how much it falls at a time; 0.05 in the paper.
        every: Integer, epochs between two falls; 5 in the paper.
        moving: None; or "mean" or "exponential": within an epoch the target follows the batches'
            complexity (S1.2).
        weight_decay: float, divided by the number of gates: 20e-4 / |G| in the paper (4.1).
        seed: Integer, starts the draws.
        baseline: `keras_tnn.training.Baseline`, what gates that learn by a score function, as
            `keras_tnn.gates.Reinforce` does, compare the cost of a sample with. Defaults to the
            mean cost of the other samples of the batch.

    Raises:
        ValueError: if an argument is out of range; at the start of training if the model is no
            `keras_tnn.ThrottledModel` with learned gates, or its gates' cost is not known.

    Example:

    >>> schedule = BatchActivation(target=0.5, start=0.6, step=0.05, every=5)
    >>> [schedule.target_at(epoch) for epoch in (0, 5, 10, 15)]
    [0.6, 0.55, 0.5, 0.5]
    """

    def __init__(
        self,
        target: float | str,
        loss: keras.losses.Loss | None = None,
        complexity: str | Callable = "gates",
        weight: float = 1.0,
        start: float | None = None,
        step: float = 0.05,
        every: int = 5,
        moving: str | None = None,
        weight_decay: float = 20e-4,
        seed: int = 0,
        baseline: Baseline | None = None,
    ):
        super().__init__(seed)
        self.follows_utilization = target == "utilization"
        self.target = 1.0 if self.follows_utilization else check_share(target, "target")
        self.start = self.target if start is None else check_share(start, "start")
        self.step = check_share(step, "step")
        self.every = check_count(every, "every")
        default = DistanceComplexity if self.follows_utilization else BatchActivationLoss
        self.loss = loss or default()
        self.complexity = complexity_maker(complexity, "complexity")
        if moving not in UPDATES:
            raise ValueError(
                "Invalid value for `moving`. Expected None, 'mean' or 'exponential'. "
                f"Received: moving={moving!r}"
            )
        self.update = UPDATES[moving]
        self.weight = check_not_negative(weight, "weight")
        self.weight_decay = check_not_negative(weight_decay, "weight_decay")
        self.baseline = baseline

    def target_at(self, epoch: int) -> float:
        """The target rate at the start of an epoch."""
        return max(self.target, round(self.start - self.step * (epoch // self.every), 6))

    def on_train_begin(self, logs=None):
        model = self.model
        check_learned_gates(model, f"{type(self).__name__} needs")
        model.objective = GateObjective(
            self.loss,
            self.complexity(model),
            self.weight,
            self.weight_decay,
            self.follows_utilization,
            self.update,
            self.baseline,
        )

        end = f"the target comes down to {self.target:g}"
        way = Way(max(0.0, self.start - self.target), self.step, self.every, end)
        warn_if_too_short(type(self).__name__, way, self.params.get("epochs"))

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.model.target.turn([self.target_at(epoch), 0.0])

    def numbers(self):
        if self.follows_utilization:
            return {}
        return {"target_rate": float(np.array(self.model.target.state)[0])}
