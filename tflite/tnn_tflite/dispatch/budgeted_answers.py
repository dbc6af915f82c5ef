"""The answers of a bundle with a budget policy: at the very budget of each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tnn_tflite.dispatch.answers import Answers
from tnn_tflite.dispatch.pattern import Pattern

if TYPE_CHECKING:
    from tnn_tflite.dispatch.budgeted import BudgetedNetwork


class BudgetedAnswers(Answers):
    """As `Answers`, where levels are named budgets and any other budget can be asked for.

    Args:
        network: Runs samples at budgets.
        inputs, found: As for `Answers`.
        utilization: The budget asked for, one or one a sample. Where a policy goes on, samples run
            at the named budget that it goes on to.
    """

    def __init__(
        self,
        network: BudgetedNetwork,
        inputs: Sequence[np.ndarray],
        utilization: float | Sequence[float] | np.ndarray,
        found: Sequence[np.ndarray] | None = None,
    ) -> None:
        super().__init__(network, inputs, found)
        self._asked = np.broadcast_to(np.asarray(utilization, np.float32), self.samples).copy()
        self._patterns: list[Pattern | None] = [None] * self.samples
        self._spent = 0

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """For each sample what ran last for it."""
        return tuple(self._patterns)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of all runs, as the patterns of the samples had them."""
        return self._spent

    def _run_group(self, index: int, places: np.ndarray | slice) -> tuple[list[np.ndarray], bool]:
        budgets = self._asked[places]
        own = self._bundle.levels[index].utilization
        inputs = [x[places] for x in self._inputs]
        outputs, patterns, was_warm = self._network.run(
            inputs, np.where(np.isnan(budgets), own, budgets)
        )
        self._asked[places] = np.nan  # it has run at what was asked for
        for place, pattern in zip(np.arange(self.samples)[places], patterns, strict=True):
            self._patterns[place] = pattern
            self._spent += pattern.macs
        return outputs, was_warm
