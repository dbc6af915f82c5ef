"""The highest level that fits into a latency budget, by the device's table."""

from collections.abc import Sequence

from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy
from tnn_tflite.positive import check_positive


class LatencyBudget(Policy):
    """The highest level whose measured latency fits. Nothing is fed back: the table decides.

    Below the latency of the lowest level the lowest level runs, and the reason says so.

    Args:
        milliseconds: What a call with one sample may take.
        percentile: 50 compares with the median, so half of the calls may take longer; 90
            compares with what nine of ten calls stayed below.

    Example:

    >>> low = tnn_tflite.policies.KnownLevel(0.5, 10, 4, 900, milliseconds=1.5)
    >>> high = tnn_tflite.policies.KnownLevel(1.0, 40, 16, 2500, milliseconds=5.0)
    >>> tnn_tflite.policies.LatencyBudget(4.0).choose((low, high), {}).reason
    'u=0.5 takes 1.500 ms of the budget of 4.000 ms, u=1 would take 5.000 ms'
    """

    needs_times = True

    def __init__(self, milliseconds: float, *, percentile: int = 50) -> None:
        self.milliseconds = check_positive("milliseconds", milliseconds)
        if percentile not in (50, 90):
            raise ValueError(
                "Invalid value for `percentile`. Expected 50 or 90. "
                f"Received: percentile={percentile!r}"
            )
        self._times = "milliseconds" if percentile == 50 else "percentile_90"

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        times = [getattr(level, self._times) for level in levels]
        fitting = [i for i, time in enumerate(times) if time <= self.milliseconds]
        index = fitting[-1] if fitting else 0
        return Choice(levels[index].utilization, self._reason(levels, times, index))

    def _reason(self, levels: Sequence[KnownLevel], times: list[float], index: int) -> str:
        budget = f"the budget of {self.milliseconds:.3f} ms"
        runs = f"u={levels[index].utilization:g} takes {times[index]:.3f} ms"
        if times[index] > self.milliseconds:
            return f"no level fits into {budget}: {runs}, and there is nothing smaller"
        if index == len(levels) - 1:
            return f"{runs} of {budget}, and there is nothing larger"
        above = f"u={levels[index + 1].utilization:g} would take {times[index + 1]:.3f} ms"
        return f"{runs} of {budget}, {above}"
