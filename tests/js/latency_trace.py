"""Records the trace that both dispatchers are led through.

    python tests/js/latency_trace.py

A trace is kept, as it says what the policy did when it was recorded.
"""

import json
import sys
from pathlib import Path

import numpy as np

TRACE = Path(__file__).with_name("latency_trace.json")
TARGET = 300.0  # milliseconds
TIMES = {0.25: 60.0, 0.5: 120.0, 0.75: 240.0, 1.0: 480.0}
LOADS = (1.0, 3.0, 1.5, 0.5)  # each for ten seconds: idle, busy, less busy, idle and cool


def record():
    sys.path += [str(Path(__file__).parents[2] / "tflite")]
    from tnn_tflite.dispatch.result import Result
    from tnn_tflite.policies import KnownLevel, LatencyTarget

    levels = [
        KnownLevel(u, macs=1, parameters=1, bytes=1, milliseconds=t) for u, t in TIMES.items()
    ]
    now, calls = 0.0, []
    policy = LatencyTarget(TARGET, clock=lambda: now)
    draw = np.random.default_rng(0).lognormal
    while now < 10 * len(LOADS):
        start, choice = now, policy.choose(levels, {})
        (level,) = [one for one in levels if one.utilization == choice.utilization]
        taken = round(level.milliseconds * LOADS[int(now // 10)] * draw(0, 0.1), 1)
        calls.append([start, level.utilization, taken])
        now = round(now + taken / 1000, 4)
        policy.observe(Result(None, level, taken, "", expected_milliseconds=level.milliseconds))
    lines = ",\n    ".join(map(json.dumps, calls))  # when, utilization, milliseconds
    table = json.dumps([{"utilization": u, "milliseconds": t} for u, t in TIMES.items()])
    TRACE.write_text(
        f'{{\n  "target": {TARGET},\n  "levels": {table},\n  "calls": [\n    {lines}\n  ]\n}}\n'
    )


if __name__ == "__main__":
    record()
