"""What somebody who turns the dial chose for each sample, and what came of it."""

from dataclasses import dataclass

import numpy as np

from keras_tnn.analysis.outcomes import Outcomes


@dataclass(frozen=True, eq=False)
class Choices:
    """One level a sample.

    Attributes:
        name: who chose.
        level: which of the levels answered, integers `(n,)`.
        right: whether the answer was right, booleans `(n,)`.
        cost: MACs for each sample, of all that ran, over those of the last level, floats `(n,)`.
    """

    name: str
    level: np.ndarray
    right: np.ndarray
    cost: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.right.mean())

    @property
    def mean_cost(self) -> float:
        """Mean MACs over those of the last level."""
        return float(self.cost.mean())

    def distribution(self, levels: int) -> np.ndarray:
        """Share of the samples that each of so many levels answered, `(levels,)`."""
        return np.bincount(self.level, minlength=levels) / len(self.level)


def one_level_each(outcomes: Outcomes, name: str, level: np.ndarray, overhead=0.0) -> Choices:
    """The choices of somebody who runs one level a sample.

    Args:
        outcomes: of the same samples.
        name: who chose.
        level: integers `(n,)`.
        overhead: cost of choosing, added to each sample.
    """
    samples = np.arange(len(level))
    cost = outcomes.costs[samples, level] + overhead
    return Choices(name, level, outcomes.right[samples, level], cost)


def oracle(outcomes: Outcomes) -> Choices:
    """The lowest level that is right, or the lowest of all where none is (liu2022, 4.4.1).

    No controller can be it: it knows the labels.

    Args:
        outcomes: what each level answers.

    Returns:
        `Choices`.

    Example:

    >>> answers = np.array([[[0.6, 0.4], [0.2, 0.8]], [[0.7, 0.3], [0.6, 0.4]]])
    >>> outcomes = Outcomes((0.5, 1.0), answers, np.array([1, 1]), (25, 100), (1e-6, 4e-6))
    >>> best = oracle(outcomes)
    >>> best.level.tolist(), best.accuracy, best.mean_cost
    ([1, 0], 0.5, 0.625)
    """
    return one_level_each(outcomes, "oracle", outcomes.right.argmax(1))
