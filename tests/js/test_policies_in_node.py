"""One recorded trace leads both dispatchers through the same levels."""

import json

import numpy as np
import pytest

from dispatcher_in_node import GOLDEN, PACKAGE, ask, call, encoded, in_node
from latency_trace import LOADS, TRACE
from tnn_tflite.dispatch.result import Result
from tnn_tflite.policies import KnownLevel, LatencyTarget

RECORD = json.loads(TRACE.read_text())


def chosen_in_python():
    levels = [KnownLevel(macs=1, parameters=1, bytes=1, **one) for one in RECORD["levels"]]
    by_utilization = {level.utilization: level for level in levels}
    now, chosen = 0.0, []
    policy = LatencyTarget(RECORD["target"], clock=lambda: now)
    for start, utilization, taken in RECORD["calls"]:
        level, now = by_utilization[utilization], start
        chosen.append(policy.choose(levels, {}))
        now = start + taken / 1000
        policy.observe(Result(None, level, taken, "", expected_milliseconds=level.milliseconds))
    return chosen


def test_both_go_the_way_of_the_trace():
    recorded = [utilization for _, utilization, _ in RECORD["calls"]]
    python = chosen_in_python()
    javascript = in_node("replay.mjs", (PACKAGE / "src" / "index.js").as_uri(), TRACE)
    assert [choice.utilization for choice in python] == recorded
    assert [choice["utilization"] for choice in javascript] == recorded
    assert [choice["reason"] for choice in javascript] == [choice.reason for choice in python]


def test_the_trace_has_switches_both_ways():
    changes = np.diff([utilization for _, utilization, _ in RECORD["calls"]])
    assert (changes > 0).sum() >= 2
    assert (changes < 0).sum() >= 1
    assert RECORD["calls"][-1][0] > 10 * (len(LOADS) - 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([0], "`milliseconds`. Expected a finite number above 0. Received: 0"),
        ([1, {"hysteresis": 1}], r"`hysteresis`. Expected a share in [0, 1)"),
        ([1, {"windowSeconds": 2}], "0 < windowSeconds <= dwellSeconds. Received: windowSeconds=2"),
    ],
)
def test_arguments_that_cannot_be_right(arguments, message):
    (found,) = call([["index.js", "LatencyTarget", *arguments]])
    assert message in found["error"]


def test_a_target_leads_a_bundle():
    """The levels are measured first: none fits into a nanosecond, and all into an hour."""
    calls = [{"x": encoded(np.zeros(16, "float32"))}] * 2
    bundle = str(GOLDEN / "version_1")
    low, high = ask([{"bundle": bundle, "target": ms, "calls": calls} for ms in (1e-6, 3.6e6)])
    assert [answer["utilization"] for answer in low["answers"]] == [0.5, 0.5]
    assert [answer["utilization"] for answer in high["answers"]] == [1.0, 1.0]
    assert all(answer["isWarm"] for answer in high["answers"])
    assert "the target is 3600000.000 ms and the device" in high["answers"][0]["reason"]
