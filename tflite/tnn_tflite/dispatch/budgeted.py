"""A bundle whose budget policy opens components for each sample: the policy, then the network."""

from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.dispatch.budgeted_answers import BudgetedAnswers
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.network import Network
from tnn_tflite.dispatch.pattern import Pattern
from tnn_tflite.dispatch.patterns import PatternCache


class BudgetedNetwork(Network):
    """Runs samples at any budgets.

    Args:
        bundle: A bundle with a budget policy.
        runtime: Makes the interpreters.
        cap: Bounds the memory of all that is loaded, or None.
        patterns: How many cut patterns are kept at most.
    """

    def __init__(
        self, bundle: Bundle, runtime: Runtime, cap: MemoryCap | None = None, patterns: int = 32
    ) -> None:
        super().__init__(bundle, [bundle.policy], runtime, cap)
        self._network = bundle.network
        self._macs = np.array(self._network.component_macs)
        self._rest = bundle.policy.macs + self._network.macs - int(self._macs.sum())
        (self._policy,) = self.pools
        self.cache = PatternCache(bundle, runtime, cap, patterns)

    def gates(self, inputs: Sequence[np.ndarray], budget: float | np.ndarray) -> np.ndarray:
        """What the policy opens, float32 `(batch, K)`; the budget is one, or one a sample."""
        return self._decide(inputs, budget)[0]

    def run(
        self, inputs: Sequence[np.ndarray], budget: float | np.ndarray
    ) -> tuple[list[np.ndarray], list[Pattern], bool]:
        """Runs a batch; samples of one pattern run together.

        Args:
            inputs: An array `(batch, *spec.shape)` for each input, checked.
            budget: In (0, 1], one or one a sample.

        Returns:
            An array for each output, the pattern of each sample, and whether all had run before.
        """
        gates, is_warm = self._decide(inputs, budget)
        if len(gates) == 1:  # most calls
            outputs, warm, was_cut = self.cache.run(gates[0], inputs)
            return outputs, [self._pattern(gates[0], warm and was_cut)], is_warm and warm
        outputs = [np.empty((len(gates), *s.shape), s.dtype) for s in self._network.outputs]
        patterns: list[Pattern | None] = [None] * len(gates)
        kinds, kind_of = np.unique(gates, axis=0, return_inverse=True)
        for kind, row in enumerate(kinds):
            places = np.flatnonzero(kind_of.reshape(-1) == kind)
            made, warm, was_cut = self.cache.run(row, [x[places] for x in inputs])
            is_warm &= warm
            for output, new in zip(outputs, made, strict=True):
                output[places] = new
            for place in places:
                patterns[place] = self._pattern(row, warm and was_cut)
        return outputs, patterns, is_warm

    def warm_up(self) -> None:
        super().warm_up()
        self.cache.warm_up()

    def answer(self, inputs: Sequence[np.ndarray], utilization: float) -> list[np.ndarray]:
        return self.run(inputs, utilization)[0]

    def answers(
        self,
        inputs: Sequence[np.ndarray],
        utilization: float | Sequence[float] | np.ndarray,
        found: Sequence[np.ndarray] | None = None,
    ) -> BudgetedAnswers:
        return BudgetedAnswers(self, inputs, utilization, found)

    def _decide(
        self, inputs: Sequence[np.ndarray], budget: float | np.ndarray
    ) -> tuple[np.ndarray, bool]:
        budgets = np.broadcast_to(np.asarray(budget, np.float32), len(inputs[0]))
        (gates,), was_warm = self._policy.run_and_tell([*inputs, budgets])
        # In integers a gate is 0.996 at times.
        return np.round(gates), was_warm

    def _pattern(self, gates: np.ndarray, cached: bool) -> Pattern:
        opened = gates > 0.5
        macs = self._rest + int(self._macs[opened].sum())
        return Pattern(tuple(opened.tolist()), macs, cached)
