"""Escalation: run a low level, keep its answer if it is sure, else run the next."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from keras_tnn.analysis.choices import Choices
from keras_tnn.analysis.outcomes import Outcomes
from keras_tnn.utilization import check_levels

ROUNDING = 1e-9  # of sums of costs
GRID = 20  # shares of the samples that leave a level, tried for each but the last one


@dataclass(frozen=True)
class Escalation:
    """Levels to climb, and how sure each must be of its answer to keep it.

    It is what the device policy `tnn_tflite.policies.Escalate` takes.

    Args:
        levels: rising utilizations in (0, 1], two or more.
        thresholds: floats in [0, 1], one for each level but the last: an answer is kept if the
            level is at least so sure of it.
        measure: of how sure a level is: "probability", that of its answer, or "margin", by how
            much that is above the next class.

    Raises:
        ValueError: if the levels do not rise, the thresholds do not fit them, or `measure` is
            neither of the two.

    Example:

    >>> answers = np.array([[[0.6, 0.4], [0.2, 0.8]], [[0.9, 0.1], [0.6, 0.4]]])
    >>> outcomes = Outcomes((0.5, 1.0), answers, np.array([1, 0]), (25, 100), (1e-6, 4e-6))
    >>> made = Escalation((0.5, 1.0), (0.7,)).on(outcomes)
    >>> made.level.tolist(), made.accuracy, made.mean_cost  # the first pays for both levels
    ([1, 0], 1.0, 0.75)
    """

    levels: tuple[float, ...]
    thresholds: tuple[float, ...]
    measure: str = "probability"

    def __post_init__(self):
        object.__setattr__(self, "levels", check_levels(self.levels))
        thresholds = tuple(float(one) for one in self.thresholds)
        object.__setattr__(self, "thresholds", thresholds)
        if not len(thresholds) == len(self.levels) - 1 > 0 or not all(
            0 <= one <= 1 for one in thresholds
        ):
            raise ValueError(
                "Invalid value for `thresholds`. Expected one in [0, 1] for each level but the "
                f"last of {self.levels}. Received: thresholds={thresholds}"
            )

    def on(self, outcomes: Outcomes) -> Choices:
        """What it does on samples whose outcomes are known.

        Raises:
            ValueError: if `outcomes` has not all of its levels.
        """
        if missing := {*self.levels} - {*outcomes.levels}:
            raise ValueError(
                f"Invalid value for `outcomes`. Expected outcomes of the levels {self.levels}. "
                f"Missing: {sorted(missing)}"
            )
        places = [outcomes.levels.index(u) for u in self.levels]
        return climbed(outcomes, places, self.thresholds, outcomes.certainty(self.measure))


def climbed(outcomes: Outcomes, places, thresholds, certainty: np.ndarray) -> Choices:
    """Escalation over the levels at these places of the outcomes."""
    samples = np.arange(len(outcomes.labels))
    level = np.full(len(samples), places[0])
    cost = outcomes.costs[:, places[0]].copy()
    going = np.ones(len(samples), bool)
    for here, up, threshold in zip(places[:-1], places[1:], thresholds, strict=True):
        going &= certainty[:, here] < threshold
        level[going] = up
        cost[going] += outcomes.going_on(here, up)[going]
    return Choices("escalation", level, outcomes.right[samples, level], cost)


def escalation(
    outcomes: Outcomes, budget: float, *, most_levels: int = 3, measure: str = "probability"
) -> Escalation:
    """The escalation that is most often right within an average budget.

    All pairs of levels are tried, and all triples if `most_levels` is 3, with thresholds that use
    the budget up.

    Args:
        outcomes: of held-out samples, neither those that trained the network nor those that
            the result is judged on.
        budget: mean MACs over those of the last level, in (0, 1].
        most_levels: 2 or 3.
        measure: as for `Escalation`.

    Raises:
        ValueError: if `budget` is not in (0, 1] or below every escalation, or `most_levels` is
            neither 2 nor 3.

    Example:

    >>> answers = np.array([[[0.6, 0.4], [0.2, 0.8]], [[0.9, 0.1], [0.6, 0.4]]])
    >>> outcomes = Outcomes((0.5, 1.0), answers, np.array([1, 0]), (25, 100), (1e-6, 4e-6))
    >>> escalation(outcomes, 0.75, most_levels=2).on(outcomes).accuracy
    1.0
    """
    places, thresholds = best_climb(outcomes, budget, most_levels, measure)
    return Escalation(tuple(outcomes.levels[i] for i in places), thresholds, measure)


def best_climb(
    outcomes: Outcomes, budget: float, most_levels: int, measure: str
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The places to climb over and the thresholds that `escalation` looks for."""
    if not 0 < budget <= 1:
        raise ValueError(
            f"Invalid value for `budget`. Expected a float in (0, 1]. Received: budget={budget!r}"
        )
    if most_levels not in (2, 3):
        raise ValueError(
            "Invalid value for `most_levels`. Expected 2 or 3. "
            f"Received: most_levels={most_levels!r}"
        )
    certainty = outcomes.certainty(measure)
    tried = [
        (climbed(outcomes, places, thresholds, certainty), places, thresholds)
        for count in range(2, most_levels + 1)
        for places in combinations(range(len(outcomes.levels)), count)
        for thresholds in within(outcomes, places, budget, certainty)
    ]
    if not tried:
        raise ValueError(
            f"Invalid value for `budget`. Expected at least {min(outcomes.shares):.3g}, what the "
            f"lowest level costs. Received: budget={budget!r}"
        )
    _, places, thresholds = max(tried, key=lambda one: (one[0].accuracy, -one[0].mean_cost))
    return places, thresholds


def within(outcomes: Outcomes, places, budget: float, certainty) -> Iterator[tuple[float, ...]]:
    """Thresholds with which climbing these places costs the budget on average, or less."""
    if len(places) == 2:
        first = ()
    else:
        first = (np.quantile(certainty[:, places[0]], k / GRID) for k in range(GRID + 1))
    for thresholds in [(one,) for one in first] or [()]:
        before = climbed(outcomes, places[:-1], thresholds, certainty)
        left = budget - before.mean_cost
        if left >= 0:
            going = before.level == places[-2]
            rising = np.argsort(certainty[going, places[-2]])  # the least sure go on first
            spent = np.cumsum(outcomes.going_on(*places[-2:])[going][rising])
            may = np.searchsorted(spent, left * len(going) + ROUNDING, side="right")
            sure = certainty[going, places[-2]][rising]
            yield (*thresholds, float(sure[may]) if may < len(sure) else 1.0)
