"""One recorded trace leads both dispatchers through the same levels."""

import json

import numpy as np
import pytest

from dispatcher_in_node import GOLDEN, PACKAGE, ask, call, decoded, encoded, in_node
from latency_trace import TRACE
from tnn_tflite import Dispatcher
from tnn_tflite.dispatch.result import Result
from tnn_tflite.policies import Escalate, KnownLevel, LatencyBudget, LatencyTarget
from tnn_tflite.policies.certainty import certainty_of_one

RECORD = json.loads(TRACE.read_text())
MEASURES = ("probability", "margin")


def chosen_in_python():
    levels = [KnownLevel(macs=1, parameters=1, bytes=1, **one) for one in RECORD["levels"]]
    by_utilization = {level.utilization: level for level in levels}
    now, chosen = 0.0, []
    waits = dict.fromkeys(("dwell_seconds", "window_seconds"), RECORD["window"])
    policy = LatencyTarget(RECORD["target"], **waits, clock=lambda: now)
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


def test_the_trace_meets_each_part_of_the_law():
    chosen = [utilization for _, utilization, _ in RECORD["calls"]]
    places = np.flatnonzero(np.diff(chosen)) + 1
    starts = np.array([start for start, _, _ in RECORD["calls"]])[places]
    assert np.array(chosen)[places[:1]] == 0.25  # down by two levels at once, as the load shows
    ups = starts[np.array(chosen)[places] == 1.0]
    assert ups[1] - ups[0] > 3 * RECORD["window"]  # undone after one wait, and then two waits


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


def test_a_budget_chooses_as_in_python():
    levels = [KnownLevel(macs=1, parameters=1, bytes=1, **one) for one in RECORD["levels"]]
    budgets = [1.0, 10.0, 39.9, 1e4]
    found = in_node("budgets.mjs", (PACKAGE / "src" / "index.js").as_uri(), TRACE, *budgets)
    expected = [LatencyBudget(budget).choose(levels, {}) for budget in budgets]
    assert found == [{"utilization": one.utilization, "reason": one.reason} for one in expected]


def test_a_budget_of_a_call():
    x = encoded(np.zeros(16, "float32"))
    calls = [{"x": x, "budgetMs": ms} for ms in (1e-6, 3.6e6, -1)]
    calls += [{"x": x, "budgetMs": 1, "utilization": 1}]
    (found,) = ask([{"bundle": str(GOLDEN / "version_1"), "calls": calls}])
    low, high, negative, both = found["answers"]
    assert (low["utilization"], high["utilization"]) == (0.5, 1.0)
    assert low["reason"].startswith("no level fits into the budget of 0.000 ms: u=0.5 takes ")
    assert "`milliseconds`. Expected a finite number above 0. Received: -1" in negative["error"]
    assert "Expected either `utilization` or `budgetMs`. Received: utilization=1" in both["error"]


def test_how_sure_an_answer_is():
    rng = np.random.default_rng(0)
    rows = [rng.normal(0, 3, 5), np.array([0.0, 0.25, 0.75]), np.array([0.2, 0.9]), -rng.random(4)]
    ways = [(row.tolist(), how, heat) for row in rows for how in MEASURES for heat in (0.5, 1, 2)]
    found = call([["policies/certainty.js", "certaintyOf", *way] for way in ways])
    np.testing.assert_allclose(found, [certainty_of_one(*way) for way in ways], rtol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_escalation_goes_as_far_as_in_python(measure):
    x = np.random.default_rng(0).normal(size=(12, 4, 4, 1)).astype("float32")
    low = Dispatcher(GOLDEN / "version_1")(x, 0.5)
    sure = sorted(certainty_of_one(row, measure, 1.0) for row in low.tolist())
    threshold = (sure[5] + sure[6]) / 2  # between two: rounding decides nothing
    policy = Escalate([threshold], measure=measure)
    dispatcher = Dispatcher(GOLDEN / "version_1", policy=policy)
    question = {"thresholds": [threshold], "options": {"measure": measure}}
    calls = [{"x": encoded(one)} for one in x]
    (found,) = ask([{"bundle": str(GOLDEN / "version_1"), "calls": calls, **question}])
    for answer, result in zip(found["answers"], map(dispatcher.run, x), strict=True):
        assert answer["utilization"] == result.utilization
        assert (answer["macs"], answer["reason"]) == (result.macs, result.reason)
        np.testing.assert_allclose(decoded(answer), result.outputs, rtol=1e-5, atol=1e-5)
    assert {answer["utilization"] for answer in found["answers"]} == {0.5, 1.0}


def test_thresholds_by_class():
    x = np.random.default_rng(0).normal(size=(12, 4, 4, 1)).astype("float32")
    best = Dispatcher(GOLDEN / "version_1")(x, 0.5).argmax(-1)
    calls = [{"x": encoded(one)} for one in x]
    thresholds = [[1, 0, 0]]  # of the first class no answer is sure
    (found,) = ask(
        [{"bundle": str(GOLDEN / "version_1"), "calls": calls, "thresholds": thresholds}]
    )
    climbed = [answer["utilization"] == 1.0 for answer in found["answers"]]
    assert climbed == (best == 0).tolist() and 0 < sum(climbed) < 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([[1.5]], "`thresholds`. Expected numbers in [0, 1]"),
        ([[[0.5], [0.5, 0.5]]], "`thresholds`. Expected numbers in [0, 1]"),
        ([[0.5], {"measure": "entropy"}], "`measure`. Expected one of probability, margin"),
        ([[0.5], {"temperature": 0}], "`temperature`. Expected a finite number above 0"),
        ([[0.5], {"levels": [1, 0.5]}], "`levels`. Expected utilizations that rise"),
    ],
)
def test_escalations_that_cannot_be_right(arguments, message):
    (found,) = call([["index.js", "Escalate", *arguments]])
    assert message in found["error"]


def test_escalations_that_do_not_fit_the_bundle():
    question = {"bundle": str(GOLDEN / "version_1"), "calls": [{"x": encoded(np.ones(16, "f4"))}]}
    several, other, classes = ask(
        [
            {**question, "thresholds": [0.5, 0.5]},
            {**question, "thresholds": [0.5], "options": {"levels": [0.3, 1.0]}},
            {**question, "thresholds": [[0.5, 0.5]]},
        ]
    )
    assert "one for each level but the last, 1. Received: 2" in several["answers"][0]["error"]
    assert "levels of the bundle, 0.5, 1. Received: 0.3, 1" in other["answers"][0]["error"]
    assert "one for each of the 3 classes. Received: 2" in classes["answers"][0]["error"]
