"""A closed loop that meets a latency on average, by taking turns between two levels."""

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


class MeanLatency(Policy):
    """Meets a mean latency over seconds, where no single level has it.

    What calls took above the target is a debt, what they took below it a credit. After each
    `dwell_seconds` the highest level that is predicted to fit pays a debt off, or the level above
    it spends a credit. For throughput and energy; for a deadline take `LatencyTarget`.

    Args:
        milliseconds: The mean for a call with one sample.
        dwell_seconds: Least time between two switches.
        window_seconds: Calls of so many seconds are averaged to predict the levels.
        clock: Gives the time in seconds.
    """

    needs_times = True

    def __init__(
        self,
        milliseconds: float,
        *,
        dwell_seconds: float = 1.0,
        window_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.milliseconds = check_positive("milliseconds", milliseconds)
        self.dwell_seconds = check_positive("dwell_seconds", dwell_seconds)
        self._slowdown = Slowdown(check_positive("window_seconds", window_seconds), clock)
        self._clock = clock
        renew_in_children(self)
        self._index: int | None = None  # None until the first choice
        self._chosen_at = 0.0
        self._debt = 0.0  # seconds

    def renew(self) -> None:
        self._lock = threading.Lock()

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        with self._lock:
            now = self._clock()
            if self._index is None or now - self._chosen_at >= self.dwell_seconds:
                self._index = self._better(levels)
                self._chosen_at = now
            index, debt = self._index, self._debt
        utilization = levels[index].utilization
        owed = f"{1000 * abs(debt):.1f} ms of {'debt' if debt > 0 else 'credit'}"
        return Choice(
            utilization, f"u={utilization:g} for a mean of {self.milliseconds:.3f} ms, with {owed}"
        )

    def observe(self, result: Result) -> None:
        if not result.is_warm:
            return
        with self._lock:
            self._slowdown.add(result.expected_milliseconds, result.milliseconds_per_sample)
            # What could not be met is not made up for later: a turn settles at most a turn.
            debt = self._debt + (result.milliseconds_per_sample - self.milliseconds) / 1000
            self._debt = min(max(debt, -self.dwell_seconds), self.dwell_seconds)

    def _better(self, levels: Sequence[KnownLevel]) -> int:
        factor = self._slowdown.factor
        fitting = [i for i, v in enumerate(levels) if factor * v.milliseconds <= self.milliseconds]
        below = fitting[-1] if fitting else 0
        return below if self._debt > 0 else min(below + 1, len(levels) - 1)
