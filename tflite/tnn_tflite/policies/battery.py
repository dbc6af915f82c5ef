"""Less of the network as the battery drains."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy
from tnn_tflite.policies.ramp import ramp
from tnn_tflite.policies.sampled import Sampled
from tnn_tflite.sensor_files import read_integer, read_text

POWER_SUPPLY = "/sys/class/power_supply"


class Battery(Policy):
    """u falls with the charge: 1 from `high` up, in a line down to the lowest level at `low`.

    Runs at u = 1 while no battery is discharging, and where there is none.

    Args:
        low: The charge at and below which the lowest level runs, in [0, 1).
        high: The charge from which u is 1, above `low`, at most 1.
        read: Gives the charge in [0, 1], or None on mains. None reads Linux' own files.
        root: Where Linux describes batteries.
        every_seconds: How often the charge is read.
        clock: Gives the time in seconds.

    Example:

    >>> policy = tnn_tflite.policies.Battery(0.0, 1.0, read=lambda: 0.5)
    >>> policy.choose([tnn_tflite.policies.KnownLevel(0.25, 1, 1, 1)], {})
    Choice(utilization=0.625, reason='battery at 50 %, discharging')
    """

    def __init__(
        self,
        low: float = 0.2,
        high: float = 0.8,
        *,
        read: Callable[[], float | None] | None = None,
        root: str = POWER_SUPPLY,
        every_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0.0 <= low < high <= 1.0:
            raise ValueError(
                "Invalid value for `low` and `high`. Expected 0 <= low < high <= 1. "
                f"Received: low={low!r}, high={high!r}"
            )
        self.low, self.high = low, high
        self._charge = Sampled(read or (lambda: discharging(root)), every_seconds, clock)

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        charge = self._charge.value()
        if charge is None:
            return Choice(1.0, "no battery is discharging")
        utilization = ramp(charge, self.low, self.high, levels[0].utilization)
        return Choice(utilization, f"battery at {100 * charge:.0f} %, discharging")


def discharging(root: str = POWER_SUPPLY) -> float | None:
    """Returns the charge of the emptiest battery of this machine that is discharging.

    Batteries of mice and other devices (scope "Device") do not count.

    Args:
        root: Where Linux describes batteries.

    Returns:
        A share in [0, 1], or None if no battery is discharging.
    """
    charges = [
        capacity / 100
        for supply in sorted(Path(root).glob("*"))
        if _runs_this_machine(supply)
        and (capacity := read_integer(supply / "capacity")) is not None
    ]
    return min(charges, default=None)


def _runs_this_machine(supply: Path) -> bool:
    return (
        read_text(supply / "type") == "Battery"
        and read_text(supply / "scope") != "Device"
        and read_text(supply / "status") == "Discharging"
    )
