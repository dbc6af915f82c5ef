"""How much slower the device is now than when its table was measured."""

import itertools
import time
from collections import deque
from collections.abc import Callable

LEAST_CALLS = 5


class Slowdown:
    """The time of the recent calls over the time that the table has for them.

    One number for all levels: it predicts levels that do not run now. It is a quotient of sums
    and not a median, since a short call on a busy core either runs undisturbed or waits for a
    whole time slice: its median never sees the load, its mean does.

    Not safe for threads by itself: the policy that owns it has the lock.

    Args:
        window_seconds: What counts as recent. The last call always counts.
        clock: Gives the time in seconds.

    Example:

    >>> slowdown = tnn_tflite.policies.slowdown.Slowdown(1.0)
    >>> slowdown.add(expected=2.0, taken=3.0)
    >>> round(slowdown.factor, 6)
    1.5
    """

    def __init__(self, window_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_seconds = window_seconds
        self._clock = clock
        self._calls: deque[tuple[float, float, float]] = deque()  # when, expected, taken
        self._expected = 0.0
        self._taken = 0.0

    def add(self, expected: float, taken: float) -> None:
        """Adds a call.

        Args:
            expected: The milliseconds that the table has for its level.
            taken: The milliseconds that it took.
        """
        now = self._clock()
        self._calls.append((now, expected, taken))
        self._expected += expected
        self._taken += taken
        while now - self._calls[0][0] > self._window_seconds:
            _, old_expected, old_taken = self._calls.popleft()
            self._expected -= old_expected
            self._taken -= old_taken

    @property
    def factor(self) -> float:
        """Above 1 if the device is slower than its table; 1 before the first call."""
        return self._taken / self._expected if self._calls else 1.0

    def factor_over(self, seconds: float) -> float:
        """Returns the factor over the last calls only, or `factor` if they are too few.

        A few calls say nothing of the load: one of them may have hit a stall.

        Args:
            seconds: At most the window.
        """
        since = self._clock() - seconds
        latest = list(itertools.takewhile(lambda call: call[0] > since, reversed(self._calls)))
        if len(latest) < LEAST_CALLS:
            return self.factor
        return sum(call[2] for call in latest) / sum(call[1] for call in latest)
