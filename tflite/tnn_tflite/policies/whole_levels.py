"""A policy of levels on a network with exits at several levels: it sees each level as a whole."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy

if TYPE_CHECKING:
    from tnn_tflite.dispatch.result import Result


class OfWholeLevels(Policy):
    """Asks another policy, which sees of each level only the last exit.

    Args:
        policy: The other policy.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.needs_times = policy.needs_times
        self._seen: Sequence[KnownLevel] = ()
        self._whole: tuple[KnownLevel, ...] = ()

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        return self._policy.choose(self._shown(levels), inputs)

    def go_on(self, levels: Sequence[KnownLevel], result: "Result") -> Choice | None:
        return self._policy.go_on(self._shown(levels), result)

    def observe(self, result: "Result") -> None:
        self._policy.observe(result)

    def _shown(self, levels: Sequence[KnownLevel]) -> tuple[KnownLevel, ...]:
        if levels is not self._seen:  # the same tuple call after call: policies keep what they know
            self._whole, self._seen = whole_levels(levels), levels
        return self._whole


def whole_levels(levels: Sequence[KnownLevel]) -> tuple[KnownLevel, ...]:
    """Returns of each utilization the last: the level that runs to its end.

    >>> points = ((0.5, 10), (0.5, 20), (1.0, 40), (1.0, 80))
    >>> known = [tnn_tflite.policies.KnownLevel(u, macs, 1, 1) for u, macs in points]
    >>> [(one.utilization, one.macs) for one in whole_levels(known)]
    [(0.5, 20), (1.0, 80)]
    """
    return tuple({one.utilization: one for one in levels}.values())
