"""What each exit says of each sample, and thresholds of confidence for a mean budget.

Exits are levels that continue each other: going on costs only the rest of the way.
"""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_tnn.analysis.choices import Choices
from keras_tnn.analysis.escalation import best_climb, climbed
from keras_tnn.analysis.evaluate_exits import check_has_exits
from keras_tnn.analysis.outcomes import Outcomes
from keras_tnn.analysis.pairs import pairs_of
from keras_tnn.exits import ExitThresholds
from keras_tnn.exits.exit_costs import head_costs, reads_data
from keras_tnn.exits.judged import collected
from keras_tnn.exits.sample_costs import SampleCosts
from keras_tnn.losses import class_probabilities
from keras_tnn.losses.class_probabilities import class_numbers
from keras_tnn.surgery import materialize
from keras_tnn.training.feeding import is_arrays
from keras_tnn.utilization import has_dial


@dataclass(frozen=True, eq=False)
class ExitOutcomes(Outcomes):
    """The answers of K exits for n samples of C classes.

    Attributes:
        levels: the names of the exits in order of depth.
        probabilities: float array `(n, K, C)`.
        labels: the right classes, integers `(n,)`.
        macs: multiply-accumulates of the way to each exit and of its own head, for one sample;
            where gates read the data the mean over these samples.
        energy: Joules of the same (wang2019, Eq. 6).
        heads: MACs of the head of each exit.
        whole: MACs of the whole network, at u = 1 where it has a dial, with all gates open.
        sample_macs: float array `(n, K)`, as `macs` for each sample, by what its gates decided;
            None where no gate reads the data.
    """

    heads: tuple[int, ...]
    whole: int
    sample_macs: np.ndarray | None = None

    @property
    def shares(self) -> np.ndarray:
        """MACs of each exit over those of the whole network, floats `(K,)`."""
        return np.array(self.macs) / self.whole

    @property
    def costs(self) -> np.ndarray:
        """MACs of each exit for each sample over those of the whole network, floats `(n, K)`."""
        return super().costs if self.sample_macs is None else self.sample_macs / self.whole

    def going_on(self, here, up):
        """MACs of going on from one exit to a later one, over those of the whole network."""
        return self.costs[:, up] - (self.costs[:, here] - self.heads[here] / self.whole)

    def of(self, samples):
        """Those of some samples, given by index or as booleans."""
        some = super().of(samples)
        if self.sample_macs is None:
            return some
        costs = self.sample_macs[samples]
        return replace(some, sample_macs=costs, macs=tuple(costs.mean(axis=0).tolist()))

    def stopped(self, thresholds: ExitThresholds) -> Choices:
        """What stopping at the first sure exit does on these samples."""
        asked = thresholds.asked(self.levels)
        limits = [thresholds.thresholds[self.levels[one]] for one in asked]
        places = [*asked, len(self.levels) - 1]
        return climbed(self, places, limits, self.certainty(thresholds.measure))


def exit_outcomes(
    model: keras.Model,
    x: Any,
    y: Any = None,
    utilization: float | None = None,
    *,
    calibration_data: Any = None,
    batch_size: int = 256,
) -> ExitOutcomes:
    """Keeps the answers of each exit for each sample.

    Args:
        model: compiled classifier with exits, as `keras_tnn.add_exits` makes it.
        x: inputs without utilization: arrays, or a `tf.data.Dataset` or `keras.utils.PyDataset`
            of batches `(x, y)`. Read once.
        y: labels, where `x` is arrays: class numbers, `(n,)` or `(n, 1)`, or one-hot `(n, C)`.
        utilization: float in (0, 1] of a model with a dial; 1 by default. The level is cut out;
            where gates read the data nothing is, and costs are those of each sample.
        calibration_data: training inputs by which the level's batch-norm statistics are estimated
            anew, as `materialize` takes them.
        batch_size: samples that are held at once, where `x` is arrays; of a model whose gates read
            the data, that run at once.

    Returns:
        `ExitOutcomes`.

    Raises:
        ValueError: if the model has no exits or is no compiled classifier, there are no labels,
            or a utilization is given for a model without a dial.

    Example:

    >>> network = keras_tnn.models.ResNet((8, 8, 3), 10, depth=8, width=4, throttled=False)
    >>> model = keras_tnn.add_exits(network, at=["stage1_block1_relu"])
    >>> model.compile(loss="sparse_categorical_crossentropy")
    >>> exit_outcomes(model, np.zeros((6, 8, 8, 3)), np.zeros(6)).right.shape
    (6, 2)
    """
    check_has_exits(model, None)
    as_probabilities = class_probabilities(model.up_to(-1))
    heads = head_costs(model, "macs", utilization)
    if reads_data(model):
        at = {"utilization": utilization, "calibration_data": calibration_data}
        return outcomes_by_sample(model, x, y, as_probabilities, heads, batch_size, at)
    costs, energies = (model.exit_costs(unit, utilization) for unit in ("macs", "energy"))
    level = model
    if has_dial(model):
        level = materialize(model, 1.0 if utilization is None else utilization, calibration_data)
    answers, labels = [], []
    for inputs, truth in pairs_of(x, y, batch_size):
        outputs = level.predict_on_batch(inputs)[: len(model.exit_names)]
        made = [as_probabilities(one) for one in outputs]
        answers.append(np.stack([keras.ops.convert_to_numpy(one) for one in made], axis=1))
        labels.append(keras.ops.convert_to_numpy(class_numbers(truth)))
    if not labels:
        raise ValueError("Invalid value for `x`. Expected batches (x, y). Received none.")
    return ExitOutcomes(
        levels=model.exit_names,
        probabilities=np.concatenate(answers),
        labels=np.concatenate(labels),
        macs=tuple(costs.values()),
        energy=tuple(energies.values()),
        heads=tuple(heads.values()),
        whole=model.exit_costs()[model.exit_names[-1]],
    )


def outcomes_by_sample(model, x, y, as_probabilities, heads, batch_size, at) -> ExitOutcomes:
    """What `exit_outcomes` keeps of a model whose gates read the data: costs of each sample, too.

    Args:
        model, x, y, batch_size: as for `exit_outcomes`.
        as_probabilities: from outputs of an exit to class probabilities.
        heads: MACs of the head of each exit.
        at: utilization and calibration data.
    """
    if not is_arrays(x):
        x, y, _ = collected(x)
    counted = SampleCosts(model), SampleCosts(model, "energy")

    def both(decisions):
        return ops.concatenate([one(decisions) for one in counted], axis=-1)

    *outputs, found = model.with_costs(x, both, batch_size=batch_size, verbose=0, **at)
    answers = outputs[: len(model.exit_names)]  # exit gates stand behind them
    made = [keras.ops.convert_to_numpy(as_probabilities(one)) for one in answers]
    macs, joules = np.split(found, 2, axis=1)
    return ExitOutcomes(
        levels=model.exit_names,
        probabilities=np.stack(made, axis=1),
        labels=keras.ops.convert_to_numpy(class_numbers(y)),
        macs=tuple(macs.mean(axis=0).tolist()),
        energy=tuple(joules.mean(axis=0).tolist()),
        heads=tuple(heads.values()),
        whole=counted[0].all_open[model.exit_names[-1]],
        sample_macs=macs,
    )


def exit_thresholds(
    outcomes: ExitOutcomes, budget: float, *, most_exits: int = 2, measure: str = "probability"
) -> ExitThresholds:
    """The exits to ask, and their thresholds, that are most often right within a mean budget.

    All pairs or triples of exits are tried, as levels are by `keras_tnn.analysis.escalation`, with
    thresholds that use the budget up. The last of them answers what none before is sure of.

    Args:
        outcomes: of held-out samples, neither those that trained the network nor those that the
            result is judged on.
        budget: mean MACs of a sample over those of the whole network, in (0, 1]. Where gates read
            the data, these are what ran for each sample.
        most_exits: 1 or 2, how many exits are asked at most before the one that keeps all.
        measure: as for `ExitThresholds`.

    Raises:
        ValueError: if `budget` is not in (0, 1] or below every exit, or `most_exits` is neither.

    Example:

    >>> answers = np.array([[[0.6, 0.4], [0.2, 0.8]], [[0.9, 0.1], [0.6, 0.4]]])
    >>> outcomes = ExitOutcomes(("exit1", "last"), answers, np.array([1, 0]), (50, 100),
    ...                         (1e-6, 4e-6), heads=(10, 0), whole=100)
    >>> found = exit_thresholds(outcomes, 0.8)
    >>> found.thresholds, outcomes.stopped(found).mean_cost  # 50 and 50 + 60
    ({'exit1': 0.9}, 0.8)
    """
    if most_exits not in (1, 2):
        raise ValueError(
            f"Invalid value for `most_exits`. Expected 1 or 2. Received: most_exits={most_exits!r}"
        )
    places, thresholds = best_climb(outcomes, budget, most_exits + 1, measure)
    names = [outcomes.levels[place] for place in places]
    found = dict(zip(names, thresholds, strict=False))
    if places[-1] != len(outcomes.levels) - 1:
        found[names[-1]] = 0.0  # it keeps all that comes to it
    return ExitThresholds(found, measure)
