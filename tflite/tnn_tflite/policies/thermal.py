"""Less of the network as the chip heats up."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy
from tnn_tflite.policies.ramp import ramp
from tnn_tflite.policies.sampled import Sampled
from tnn_tflite.sensor_files import read_integer

THERMAL = "/sys/class/thermal"


class Thermal(Policy):
    """u falls with the heat: 1 up to `cool`, in a line down to the lowest level at `hot`.

    A chip that gets too hot lowers its clock, and every level gets slower. Running a lower level
    before that keeps the latency. If no sensor can be read any more, the lowest level runs.

    Args:
        cool: The temperature up to which u is 1, in degrees Celsius.
        hot: The temperature from which the lowest level runs, in degrees Celsius.
        read: Gives the temperature in degrees Celsius. None reads Linux' own files.
        root: Where Linux describes thermal zones; the hottest one counts.
        every_seconds: How often the temperature is read.
        clock: Gives the time in seconds.

    Example:

    >>> policy = tnn_tflite.policies.Thermal(60, 80, read=lambda: 70.0)
    >>> policy.choose([tnn_tflite.policies.KnownLevel(0.5, 1, 1, 1)], {})
    Choice(utilization=0.75, reason='70.0 degrees, 60 is cool and 80 is hot')
    """

    def __init__(
        self,
        cool: float = 65.0,
        hot: float = 80.0,
        *,
        read: Callable[[], float | None] | None = None,
        root: str = THERMAL,
        every_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not cool < hot:
            raise ValueError(
                "Invalid value for `cool` and `hot`. Expected cool < hot. "
                f"Received: cool={cool!r}, hot={hot!r}"
            )
        self.cool, self.hot = cool, hot
        self._temperature = Sampled(read or (lambda: hottest_zone(root)), every_seconds, clock)
        if self._temperature.value() is None:
            raise ValueError(
                "Invalid value for `root`. Expected a folder with a thermal zone that can be "
                f"read. Received: root={root!r}. Give `read`, a function that returns degrees."
            )

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        lowest = levels[0].utilization
        degrees = self._temperature.value()
        if degrees is None:
            return Choice(lowest, "the temperature cannot be read any more")
        reason = f"{degrees:.1f} degrees, {self.cool:g} is cool and {self.hot:g} is hot"
        return Choice(ramp(degrees, self.hot, self.cool, lowest), reason)


def hottest_zone(root: str = THERMAL) -> float | None:
    """Returns the temperature of the hottest thermal zone.

    Args:
        root: Where Linux describes thermal zones.

    Returns:
        Degrees Celsius, or None if no zone can be read.
    """
    readings = [read_integer(path) for path in Path(root).glob("thermal_zone*/temp")]
    return max((value / 1000 for value in readings if value is not None), default=None)
