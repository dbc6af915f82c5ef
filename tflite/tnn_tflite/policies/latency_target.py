"""A closed loop that keeps the latency below a target while the load of the device changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tnn_tflite.forks import renew_in_children
from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy
from tnn_tflite.policies.slowdown import Slowdown
from tnn_tflite.positive import check_positive

if TYPE_CHECKING:
    from tnn_tflite.dispatch.result import Result

REGRET = 1.5  # waiting times; an up-switch that is undone within so many was a mistake
LONGEST_PATIENCE = 32  # waiting times


class LatencyTarget(Policy):
    """The highest level whose mean latency stays below a target, on the device as it is now.

    The device's table says how levels compare; recent calls say how much slower the device is
    now (`Slowdown`). Their product predicts the latency of every level, so one switch leads to
    the right one. The law, with s the slowdown and t_k the table's time of level k:

    - down to the highest k with s t_k <= target, when the running level has s t_i > target;
    - up to the highest k with s t_k <= (1 - hysteresis) target, when there is one above;
    - never two switches within `dwell_seconds`. After an up-switch that had to be undone at
      once, the wait for the next one doubles.

    The target is a ceiling: between two levels the lower one runs. `MeanLatency` meets a target
    on average.

    Args:
        milliseconds: The target for a call with one sample.
        hysteresis: Share of the target that a higher level must leave free, in [0, 1).
        dwell_seconds: Least time between two switches.
        window_seconds: Calls of so many seconds are averaged; at most `dwell_seconds`, so that
            calls before a switch are forgotten before the next.
        clock: Gives the time in seconds.
    """

    needs_times = True

    def __init__(
        self,
        milliseconds: float,
        *,
        hysteresis: float = 0.1,
        dwell_seconds: float = 1.0,
        window_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.milliseconds = check_positive("milliseconds", milliseconds)
        if not 0.0 <= hysteresis < 1.0:
            raise ValueError(
                "Invalid value for `hysteresis`. Expected a share in [0, 1). "
                f"Received: hysteresis={hysteresis!r}"
            )
        if not 0.0 < window_seconds <= dwell_seconds:
            raise ValueError(
                "Invalid value for `window_seconds`. Expected 0 < window_seconds <= "
                f"dwell_seconds. Received: window_seconds={window_seconds!r}, "
                f"dwell_seconds={dwell_seconds!r}"
            )
        self.hysteresis = hysteresis
        self.dwell_seconds = dwell_seconds
        self._slowdown = Slowdown(window_seconds, clock)
        self._latest_seconds = window_seconds / 4
        self._clock = clock
        renew_in_children(self)
        self._index: int | None = None  # None until the first choice
        self._switched_at = 0.0
        self._went_up = False
        self._patience = 1  # waiting times before the next up-switch

    def renew(self) -> None:
        self._lock = threading.Lock()

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        with self._lock:
            if self._index is None:
                self._index = _highest(levels, self.milliseconds)
                self._switched_at = self._clock()
            else:
                self._switch(levels)
            level, factor = levels[self._index], self._slowdown.factor
        return Choice(level.utilization, self._reason(level, factor))

    def observe(self, result: Result) -> None:
        if result.is_warm:
            with self._lock:
                self._slowdown.add(result.expected_milliseconds, result.milliseconds_per_sample)

    def _switch(self, levels: Sequence[KnownLevel]) -> None:
        waited = (self._clock() - self._switched_at) / self.dwell_seconds
        if waited < 1.0:
            return
        factor = self._slowdown.factor
        if factor * levels[self._index].milliseconds > self.milliseconds:
            # The window still holds calls from before the load rose: its end shows the load.
            factor = max(factor, self._slowdown.factor_over(self._latest_seconds))
            lower = _highest(levels[: self._index], self.milliseconds / factor)
            if lower < self._index:
                is_regret = self._went_up and waited < REGRET
                self._patience = min(2 * self._patience, LONGEST_PATIENCE) if is_regret else 1
                self._go(lower)
        elif waited >= self._patience:
            higher = _highest(levels, (1.0 - self.hysteresis) * self.milliseconds / factor)
            if higher > self._index:
                self._go(higher)

    def _go(self, index: int) -> None:
        self._went_up = index > self._index
        self._index = index
        self._switched_at = self._clock()

    def _reason(self, level: KnownLevel, factor: float) -> str:
        predicted = factor * level.milliseconds
        return (
            f"u={level.utilization:g} is predicted to take {predicted:.3f} ms, the target is "
            f"{self.milliseconds:.3f} ms and the device {factor:.2f} times as slow as its table"
        )


def _highest(levels: Sequence[KnownLevel], milliseconds: float) -> int:
    """Returns the index of the highest level that fits by its table, 0 if none does."""
    return max((i for i, v in enumerate(levels) if v.milliseconds <= milliseconds), default=0)
