"""The best that fits into a latency budget, by the device's table."""

from collections.abc import Sequence

from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy
from tnn_tflite.positive import check_positive


class LatencyBudget(Policy):
    """The highest level whose measured latency fits. Nothing is fed back: the table decides.

    Below the latency of the lowest level the lowest level runs, and the reason says so.

    A network with exits at several levels has two ways to be short: a lower level, or an earlier
    exit. Where the accuracy of all of them is known, the most accurate one that fits runs, of
    equal ones that of fewer MACs. Else the one of the most MACs that fits.

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
    sees_exits = True

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
        index = _best(levels, fitting)
        reason = self._reason(levels, times, index)
        return Choice(levels[index].utilization, reason, exit=levels[index].exit)

    def _reason(self, levels: Sequence[KnownLevel], times: list[float], index: int) -> str:
        budget = f"the budget of {self.milliseconds:.3f} ms"
        runs = f"{_name(levels[index])} takes {times[index]:.3f} ms"
        if times[index] > self.milliseconds:
            return f"no level fits into {budget}: {runs}, and there is nothing smaller"
        longer = [i for i in range(index + 1, len(levels)) if times[i] > self.milliseconds]
        if not longer:
            return f"{runs} of {budget}, and there is nothing larger"
        above = f"{_name(levels[longer[0]])} would take {times[longer[0]]:.3f} ms"
        return f"{runs} of {budget}, {above}"


def _best(levels: Sequence[KnownLevel], fitting: Sequence[int]) -> int:
    """The index of the best of those that fit, 0 if none does."""
    if not fitting:
        return 0
    if len({one.utilization for one in levels}) == len(levels):  # they rise
        return fitting[-1]
    if all(one.accuracy is not None for one in levels):
        return max(fitting, key=lambda index: (levels[index].accuracy, -levels[index].macs))
    return max(fitting, key=lambda index: levels[index].macs)


def _name(level: KnownLevel) -> str:
    u = f"u={level.utilization:g}"
    return u if level.exit is None else f"exit '{level.exit}' at {u}"
