"""A controller learns which level each sample needs (liu2022, 3.3 and Algorithm 1)."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_tnn.analysis.outcomes import LevelNetworks
from keras_tnn.controllers.choice import check_controller, choice_of
from keras_tnn.controllers.judged import Judged, kept_table, right_and_confidence
from keras_tnn.controllers.level_costs import level_costs
from keras_tnn.controllers.policy_gradient import entropy_of, policy_losses
from keras_tnn.controllers.reward import Reward
from keras_tnn.quantities import check_not_negative, check_share
from keras_tnn.training.feeding import is_arrays
from keras_tnn.training.sample_losses import weighted_mean
from keras_tnn.utilization import check_levels


@keras.saving.register_keras_serializable(package="keras_tnn")
class ContextualBandit(keras.Model):
    """Trains a controller for a throttled classifier, which stays as it is.

    For each sample a level is chosen, with probability epsilon at random and else the controller's
    favourite (Eq. 14); the reward r of its answer (Eq. 13) goes into the loss -r log pi (Eq. 15).
    What every level answers does not change while the network is frozen. So `fit` on arrays
    evaluates each level once and keeps for each sample and level whether it was right and how
    sure, 8 bytes; an epoch then costs the controller only. Data that yields batches is evaluated
    batch by batch.

    Give it images that the network was not trained on: on others even the lowest level is nearly
    always right. The controller is what is saved, shipped and evaluated
    (`keras_tnn.analysis.evaluate_controller`).

    Args:
        network: compiled throttled classifier.
        controller: `keras.Model` from the network's inputs without utilization to probabilities of
            the levels, `(batch, K)`, or to outputs "choice" and "answer" as `BehindLevel` has.
        levels: rising utilizations in (0, 1]; k / K for k = 1 to K by default (3.3.3).
        reward: `Reward`, or any function of `(right, confidence, cost)` that gives a tensor of
            their shape; by default that of the paper.
        cost: of a level, in the reward: "utilization", "macs", "energy" or a measured table, as
            `level_costs` takes it.
        epsilon: how often a level is drawn at random: float in [0, 1], or a
            `keras.optimizers.schedules.LearningRateSchedule` of it over steps. By default it falls
            from 1 to 0.1 within 1000 steps.
        exact: if true, the loss is the expected reward of all levels, which the kept table knows,
            in place of that of one: -sum_k pi_k r_k. The paper's is false.
        entropy: float, 0 or more: times it the entropy of pi is subtracted from the loss, against
            the collapse to one level. The paper has none.
        calibration_data: training inputs for the levels' batch-norm statistics, as
            `keras_tnn.materialize` takes them.
        cache: if false, arrays are evaluated batch by batch, too.

    Raises:
        ValueError: if the controller does not fit the levels, the network is no compiled throttled
            classifier, or a number is out of its range.

    Example:

    >>> network = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16,
    ...     batch_normalization=False)
    >>> network.compile("sgd", "sparse_categorical_crossentropy")
    >>> controller = keras_tnn.controllers.DepthwiseCNN((8, 8, 3), 4, filters=(8, 8))
    >>> bandit = ContextualBandit(network, controller)
    >>> bandit.compile("rmsprop")
    >>> x, y = np.random.rand(64, 8, 8, 3), np.random.randint(10, size=64)
    >>> sorted(bandit.fit(x, y, verbose=0).history)
    ['accuracy', 'cost', 'loss', 'reward']
    >>> bandit.predict(x, verbose=0).shape
    (64, 4)
    """

    def __init__(
        self,
        network: keras.Model,
        controller: keras.Model,
        levels=None,
        *,
        reward: Reward | None = None,
        cost="macs",
        epsilon=None,
        exact: bool = False,
        entropy: float = 0.0,
        calibration_data: Any = None,
        cache: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if levels is None:
            size = choice_of(controller.output).shape[-1]
            levels = [k / size for k in range(1, size + 1)]
        self.levels = check_levels(levels)
        check_controller(controller, len(self.levels))
        if not callable(epsilon) and epsilon is not None:
            check_share(epsilon, "epsilon")
        self.controller, self.network = controller, network
        self.reward = reward or Reward()
        self.costs = level_costs(network, self.levels, cost)
        self.epsilon = (
            keras.optimizers.schedules.PolynomialDecay(1.0, 1000, 0.1)
            if epsilon is None
            else epsilon
        )
        self.exact, self.cache = exact, cache
        self.entropy = check_not_negative(entropy, "entropy")
        self.calibration_data = calibration_data
        self.seed_generator = keras.random.SeedGenerator()
        self.steps = self.add_weight(shape=(), dtype="int32", trainable=False, name="steps")
        self.means = {name: keras.metrics.Mean(name) for name in ("reward", "accuracy", "cost")}
        self.built = True

    def call(self, inputs, training=None):
        return choice_of(self.controller(inputs, training=training))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        right, confidence = right_and_confidence(y)
        rewards = self.reward(right, confidence, ops.array(self.costs, "float32"))
        if self.exact:
            losses = -ops.sum(y_pred * rewards, axis=-1)
        else:
            level = self.explore(y_pred) if training else ops.argmax(y_pred, axis=-1)
            taken = ops.take_along_axis(rewards, level[:, None], axis=-1)[:, 0]
            losses = policy_losses(taken, y_pred, level)
        return weighted_mean(losses - self.entropy * entropy_of(y_pred), sample_weight)

    def explore(self, pi):
        """Epsilon-greedy: the level to run for each sample, integers `(batch,)`."""
        best = ops.argmax(pi, axis=-1)
        shape = ops.shape(best)
        drawn = keras.random.randint(
            shape, 0, len(self.levels), dtype=best.dtype, seed=self.seed_generator
        )
        epsilon = self.epsilon
        if callable(epsilon):
            epsilon = epsilon(self.steps.value)
            self.steps.assign_add(1)
        explores = keras.random.uniform(shape, seed=self.seed_generator) < epsilon
        return ops.where(explores, drawn, best)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """What the controller's favourites are worth."""
        best = ops.argmax(y_pred, axis=-1)[:, None]
        right, confidence = (
            ops.take_along_axis(part, best, axis=-1)[:, 0] for part in right_and_confidence(y)
        )
        return self.report(right, confidence, best[:, 0], sample_weight)

    def report(self, right, confidence, level, sample_weight) -> dict:
        """The metrics, after one level a sample has answered."""
        cost = ops.take(ops.array(self.costs, "float32"), level)
        values = {
            "reward": self.reward(right, confidence, cost),
            "accuracy": ops.cast(right, "float32"),
            "cost": cost,
        }
        for name, value in values.items():
            self.means[name].update_state(value, sample_weight)
        return self.get_metrics_result()

    def fit(self, x=None, y=None, batch_size=None, *args, validation_data=None, **kwargs):
        """As `keras.Model.fit`, on what `network.fit` would take.

        Args:
            x: arrays, a `keras.utils.PyDataset` or a `tf.data.Dataset`, without utilization.
            y: labels, where `x` is arrays: class numbers or one-hot.
        """
        judge = self.judge()
        x, y = judge(x, y, batch_size)
        if isinstance(validation_data, tuple):
            pair = judge(*validation_data[:2], batch_size)
            validation_data = (*pair, *validation_data[2:])
        elif validation_data is not None:
            validation_data, _ = judge(validation_data, None, batch_size)
        return super().fit(x, y, batch_size, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """As `keras.Model.evaluate`, on what `fit` takes."""
        if not isinstance(x, Judged) and np.ndim(y) != 3:  # as `fit` validates
            x, y = self.judge()(x, y, batch_size)
        return super().evaluate(x, y, batch_size, *args, **kwargs)

    def judge(self) -> Callable:
        """From `x`, `y` and a batch size to data with what levels answer in place of labels."""
        levels = LevelNetworks(self.network, self.levels, self.calibration_data)

        def judged(x, y, batch_size) -> tuple:
            if self.cache and is_arrays(x):
                return x, kept_table(levels, x, y)
            return Judged(levels, x, y, batch_size or 32), None

        return judged

    @property
    def frozen(self) -> list:
        """Trainable weights that stay as they are."""
        return self.network.trainable_weights

    @property
    def trainable_weights(self):
        return other_weights(self.frozen, super().trainable_weights)

    @property
    def trainable_variables(self):
        return other_weights(self.frozen, super().trainable_variables)

    @property
    def non_trainable_weights(self):
        return [*super().non_trainable_weights, *self.frozen]

    @property
    def non_trainable_variables(self):
        return [*super().non_trainable_variables, *self.frozen]

    def get_config(self):
        kept = {name: getattr(self, name) for name in ("levels", "exact", "entropy", "cache")}
        made = {name: getattr(self, name) for name in ("network", "controller", "reward")}
        epsilon = self.epsilon
        if callable(epsilon):
            made["epsilon"] = epsilon
        else:
            kept["epsilon"] = epsilon
        cost = dict(zip(self.levels, self.costs, strict=True))
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            **kept,
            **{name: serialize(one) for name, one in made.items()},
            "cost": [*cost.items()],
        }

    @classmethod
    def from_config(cls, config):
        config = {k: keras.saving.deserialize_keras_object(v) for k, v in config.items()}
        return cls(**{**config, "cost": dict(config["cost"])})


def other_weights(left_out: list, weights: list) -> list:
    """The weights that are not among those left out."""
    ids = {id(weight) for weight in left_out}
    return [weight for weight in weights if id(weight) not in ids]
