"""The energy that a processor package says it has used: Linux' powercap counters."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tnn_tflite.sensor_files import read_integer, read_text

POWERCAP = "/sys/class/powercap"


@dataclass(frozen=True)
class EnergyCounters:
    """The counters of the packages of this machine.

    A counter is in microjoules and starts again at 0 when it reaches its range, after some
    minutes of load. It counts all that the package does, not this process alone.

    Args:
        zones: Folders that each have an `energy_uj`.
    """

    zones: tuple[Path, ...]

    @classmethod
    def find(cls, root: str = POWERCAP) -> EnergyCounters | None:
        """Returns the counters that can be read, or None where there are none.

        Whole packages count, each once: Linux shows a package twice on some machines, next to its
        own parts and to the platform that it is a part of. Many systems let only root read.

        Args:
            root: Where Linux describes the counters.
        """
        names = {read_text(path / "name"): path for path in sorted(Path(root).glob("*:*"))}
        packages = [path for name, path in names.items() if name and name.startswith("package-")]
        readable = tuple(zone for zone in packages if read_integer(zone / "energy_uj") is not None)
        return cls(readable) if readable else None

    def read(self) -> list[int] | None:
        """Returns the microjoules of each zone, or None if one cannot be read any more."""
        values = [read_integer(zone / "energy_uj") for zone in self.zones]
        return None if None in values else values

    def joules_between(self, before: Sequence[int], after: Sequence[int]) -> float:
        """Returns the energy used between two readings, in joules, all zones together."""
        used = 0
        for zone, start, end in zip(self.zones, before, after, strict=True):
            around = read_integer(zone / "max_energy_range_uj") or 0
            used += end - start if end >= start else end - start + around
        return used / 1e6


def joules_of_calls(
    calls: Sequence[Callable[[], object]],
    counters: EnergyCounters,
    *,
    rounds: int = 3,
    seconds: float = 0.2,
) -> list[float] | None:
    """Returns the energy of each call in joules, the median over some rounds.

    Args:
        calls: What is measured.
        counters: Of this machine.
        rounds: How often each call is measured, in turn with the others.
        seconds: How long it is repeated each time: counters move once a millisecond.

    Returns:
        A number for each call, or None if the counters stand still or cannot be read any more.
    """
    found = [[_joules_of(call, counters, seconds) for call in calls] for _ in range(rounds)]
    if any(None in energies for energies in found):
        return None
    return [statistics.median(energies) for energies in zip(*found, strict=True)]


def _joules_of(
    call: Callable[[], object], counters: EnergyCounters, seconds: float
) -> float | None:
    before, runs, begin = counters.read(), 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        call()
        runs += 1
    after = counters.read()
    if before is None or after is None:
        return None
    return counters.joules_between(before, after) / runs or None
