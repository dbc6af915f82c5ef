"""BudgetNet's training: a policy learns with more and more components and smaller budgets."""

import numbers

from keras_tnn.callbacks.distributions import check_low
from keras_tnn.callbacks.utilization_callback import UtilizationCallback
from keras_tnn.gates import BudgetPolicy, Reinforce
from keras_tnn.gates.reinforce import check_alpha
from keras_tnn.losses import BudgetReward
from keras_tnn.quantities import check_share
from keras_tnn.training import BudgetObjective, PerSample
from keras_tnn.training.regimes import OftenWhole


class BudgetCurriculum(UtilizationCallback):
    """Trains a `BudgetPolicy` and its critic by the reward, from easy to hard (chen2020).

    Two curricula run side by side. The policy controls the last components first and in the end
    all of them; every sample draws its budget c from Uniform[c_min, 1], with c_min falling from
    1 to `low`. Exploration is bounded by s' = a s + (1 - a)(1 - s) with a = alpha^(1 - beta t)
    in epoch t (Eq. 11), until beta t = 1. All of it follows from the epoch's number.

    The pre-trained network stays fixed meanwhile (`model.freeze_data_path()`). Joint fine-tuning
    is a second `fit` with the network trained, too, and `epochs=0`: all components, all budgets.

    ```python
    model = keras_tnn.throttle(network, axes=("depth",), gate=keras_tnn.gates.BudgetPolicy)
    model.freeze_data_path()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=30, callbacks=[BudgetCurriculum(epochs=20)])
    model.freeze_data_path(False)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, callbacks=[BudgetCurriculum(epochs=0)])
    keras_tnn.training.calibrate_budgets(model, x_held_out)
    ```

    The logs get "controlled", how many components the policy controls, and "alpha", the bound a.

    Args:
        reward: `keras_tnn.losses.BudgetReward`; by default with its defaults.
        epochs: Integer, how many the curricula take; with 0 all is at its end from the start.
        low: float in [0, 1], the last c_min; 0.1 in the paper.
        alpha: float in (0.5, 1], which bounds s in the first epoch.
        beta: float, 0 or more, how fast the bound goes; 1 / epochs by default.
        whole: float in [0, 1], share of the samples whose budget is 1 in any case, as otherwise
            hardly any sample trains all of the network; 0 in the paper.
        seed: Integer, starts the draws.

    Raises:
        ValueError: if an argument is out of range; at the start of training if the model is no
            `keras_tnn.ThrottledModel` with a `BudgetPolicy` whose estimator is `Reinforce`.

    Example:

    >>> schedule = BudgetCurriculum(epochs=10)
    >>> [(schedule.range_at(t), schedule.controlled_at(t, 36)) for t in (0, 5, 10)]
    [((1.0, 1.0), 1), ((0.55, 1.0), 18), ((0.1, 1.0), 36)]
    """

    def __init__(self, reward=None, epochs=20, low=0.1, alpha=0.8, beta=None, whole=0.0, seed=0):
        super().__init__(seed=seed)
        self.reward = BudgetReward() if reward is None else reward
        if not isinstance(self.reward, BudgetReward):
            raise ValueError(
                "Invalid value for `reward`. Expected a keras_tnn.losses.BudgetReward. "
                f"Received: reward={reward!r}"
            )
        if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 0:
            raise ValueError(
                "Invalid value for `epochs`. Expected a whole number, 0 or more. "
                f"Received: epochs={epochs!r}"
            )
        self.epochs = epochs
        self.low = check_low(low, "low")
        self.alpha = check_alpha(alpha)
        if beta is not None and not (isinstance(beta, numbers.Real) and beta >= 0):
            raise ValueError(
                f"Invalid value for `beta`. Expected a float, 0 or more. Received: beta={beta!r}"
            )
        self.beta = beta
        self.whole = check_share(whole, "whole")

    def make_regime(self):
        return PerSample(OftenWhole(self.whole)) if self.whole else super().make_regime()

    def progress(self, epoch: int) -> float:
        """How far the curricula are, from 0 to 1."""
        return min(1.0, epoch / self.epochs) if self.epochs else 1.0

    def range_at(self, epoch):
        return round(1 - (1 - self.low) * self.progress(epoch), 6), 1.0

    def controlled_at(self, epoch: int, components: int) -> int:
        """How many components, the last ones, the policy controls."""
        return max(1, round(components * self.progress(epoch)))

    def bound_at(self, epoch: int) -> float:
        """a = alpha^(1 - beta t)."""
        gone = self.progress(epoch) if self.beta is None else self.beta * epoch
        return self.alpha ** max(0.0, 1 - gone)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        policies = [gate for gate in self.model.gates if isinstance(gate, BudgetPolicy)]
        if len(policies) != 1 or not isinstance(policies[0].estimator, Reinforce):
            raise ValueError(
                "BudgetCurriculum needs one keras_tnn.gates.BudgetPolicy with the estimator "
                "Reinforce, such as keras_tnn.throttle(model, gate=keras_tnn.gates.BudgetPolicy). "
                f"Received: '{self.model.name}' with "
                f"{[type(gate).__name__ for gate in self.model.gates]}"
            )
        self.policy = policies[0]
        self.model.objective = BudgetObjective(self.reward, self.reward.unit(self.model))

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.controlled = self.controlled_at(epoch, self.policy.num_groups)
        self.policy.control(self.controlled)
        estimator = self.policy.estimator
        estimator.turn(self.bound_at(epoch))
        estimator.seed_generator.state.assign([self.seed + 7919 * (epoch + 1) + 104729, 0])

    def numbers(self):
        own = {"controlled": self.controlled, "alpha": self.policy.estimator.alpha}
        return {**super().numbers(), **own}
