"""Levels that nothing ran, and a device that exists in simulated time only."""

from types import SimpleNamespace

import numpy as np
import pytest

from tnn_tflite.dispatch.result import Result
from tnn_tflite.policies import KnownLevel

TIMES = {0.25: 1.0, 0.5: 2.0, 0.75: 4.0, 1.0: 8.0}  # milliseconds


@pytest.fixture
def levels():
    return tuple(
        KnownLevel(u, macs=int(100 * ms), parameters=10, bytes=100, milliseconds=ms)
        for u, ms in TIMES.items()
    )


class SimulatedDevice:
    """Calls one policy again and again; a call takes the table's time, times the load."""

    def __init__(self, levels):
        self.levels = levels
        self.now = 0.0

    def clock(self):
        return self.now

    def drive(self, policy, seconds, load, noise=0.0, seed=0):
        """Returns the calls as arrays: `start`, `utilization` and `ms`.

        `load(start, level)` is how much slower than its table a level is.
        """
        draw = np.random.default_rng(seed).lognormal
        begin, calls = self.now, []
        while self.now < begin + seconds:
            start = self.now
            utilization = policy.choose(self.levels, {}).utilization
            (level,) = [v for v in self.levels if v.utilization == utilization]
            ms = level.milliseconds * load(start, level) * draw(0.0, noise)
            self.now += ms / 1000
            policy.observe(Result(None, level, ms, "", expected_milliseconds=level.milliseconds))
            calls.append((start, utilization, ms))
        start, utilization, ms = np.array(calls).T
        return SimpleNamespace(start=start, utilization=utilization, ms=ms)


@pytest.fixture
def device(levels):
    return SimulatedDevice(levels)
