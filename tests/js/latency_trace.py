"""Records the trace that both dispatchers are led through.

    python tests/js/latency_trace.py

A trace is kept, as it says what the policy did when it was recorded.
"""

import json
import sys
from pathlib import Path

import numpy as np

TRACE = Path(__file__).with_name("latency_trace.json")
TARGET = 50.0  # milliseconds
WINDOW = 2.0  # seconds, and as long a wait between two switches
TIMES = {0.25: 20.0, 0.5: 30.0, 0.75: 40.0, 1.0: 80.0}
# Until when the device is how many times as slow as its table: idle, busy, less busy. And at last
# it is fast, but for u = 1: an up-switch is undone, and the next one waits for longer.
LOADS = ((4.0, 1.0), (9.0, 2.0), (14.0, 1.5), (26.0, 0.5))
LOAD_OF_FULL = 0.8


def record():
    sys.path += [str(Path(__file__).parents[2] / "tflite")]
    from tnn_tflite.dispatch.result import Result
    from tnn_tflite.policies import KnownLevel, LatencyTarget

    levels = [
        KnownLevel(u, macs=1, parameters=1, bytes=1, milliseconds=t) for u, t in TIMES.items()
    ]
    now, calls = 0.0, []
    waits = {"dwell_seconds": WINDOW, "window_seconds": WINDOW}
    policy = LatencyTarget(TARGET, **waits, clock=lambda: now)
    draw = np.random.default_rng(0).lognormal
    while now < LOADS[-1][0]:
        start, choice = now, policy.choose(levels, {})
        (level,) = [one for one in levels if one.utilization == choice.utilization]
        load = next(load for until, load in LOADS if now < until)
        load = max(load, LOAD_OF_FULL) if level.utilization == 1.0 else load
        taken = round(level.milliseconds * load * draw(0, 0.1), 1)
        calls.append([start, level.utilization, taken])
        now = round(now + taken / 1000, 4)
        policy.observe(Result(None, level, taken, "", expected_milliseconds=level.milliseconds))
    lines = ",\n    ".join(map(json.dumps, calls))  # when, utilization, milliseconds
    levels = json.dumps([{"utilization": u, "milliseconds": t} for u, t in TIMES.items()])
    head = f'"target": {TARGET},\n  "window": {WINDOW},\n  "levels": {levels}'
    TRACE.write_text(f'{{\n  {head},\n  "calls": [\n    {lines}\n  ]\n}}\n')


if __name__ == "__main__":
    record()
