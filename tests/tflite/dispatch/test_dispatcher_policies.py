"""Budgets and policies: the level that runs, what the policy is told, what is logged."""

import gc
import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from tnn_tflite import Dispatcher
from tnn_tflite.dispatch.result import Result
from tnn_tflite.latency.table import DeviceTable, LevelMeasurement
from tnn_tflite.latency.table_file import TableError, table_path, write_table
from tnn_tflite.policies import (
    Choice,
    Fixed,
    LatencyBudget,
    LatencyTarget,
    MeanLatency,
    Policy,
)

TIMES = {0.25: 1.0, 0.5: 2.0, 1.0: 8.0}  # milliseconds, far above what the levels really take


@pytest.fixture
def measured_bundle(bundle):
    """A bundle with a table beside it."""
    conditions = Dispatcher(bundle).conditions
    levels = tuple(LevelMeasurement(u, ms, 2 * ms) for u, ms in TIMES.items())
    write_table(table_path(bundle, conditions), DeviceTable(conditions, levels))
    return bundle


class Recorder(Policy):
    """Runs the levels in turn and keeps what it is told."""

    def __init__(self):
        self.seen = []
        self.told = []

    def choose(self, levels, inputs):
        self.seen.append(levels)
        self.inputs = inputs
        return Choice(levels[len(self.seen) % len(levels)].utilization, "in turn")

    def observe(self, result):
        self.told.append(result)


@pytest.mark.parametrize(
    ("budget", "utilization"), [(0.5, 0.25), (1.0, 0.25), (2, 0.5), (7.99, 0.5), (8.0, 1.0)]
)
def test_budget(measured_bundle, images, budget, utilization):
    dispatcher = Dispatcher(measured_bundle)
    result = dispatcher.run(images[0], budget_ms=budget)
    assert isinstance(result, Result)
    assert result.utilization == result.level.utilization == utilization
    assert ("there is nothing smaller" in result.reason) == (budget == 0.5)
    assert result.milliseconds > 0
    np.testing.assert_array_equal(result.outputs, dispatcher(images[0], utilization))
    np.testing.assert_array_equal(dispatcher(images[0], budget_ms=budget), result.outputs)
    assert dispatcher.level_for(budget_ms=budget) == result.level


def test_budget_of_a_batch_is_that_of_the_whole_call(measured_bundle, images):
    dispatcher = Dispatcher(measured_bundle)
    result = dispatcher.run(images, budget_ms=10.0)  # 5 images at 2 ms; at 8 ms it would be 40
    assert result.utilization == 0.5
    np.testing.assert_array_equal(result.outputs, dispatcher(images, 0.5))
    assert dispatcher.run(images[:0], budget_ms=10.0).outputs.shape == (0, 4)


def test_without_a_table_levels_are_measured_once(bundle, images, caplog):
    dispatcher = Dispatcher(bundle)
    with caplog.at_level(logging.INFO, "tnn_tflite"):
        assert dispatcher.run(images[0], budget_ms=1000.0).utilization == 1.0
        assert dispatcher.run(images[0], budget_ms=1e-6).utilization == 0.25
    (message,) = [record.getMessage() for record in caplog.records]
    assert "measured quickly, not stored; `keras-tnn calibrate` measures and stores" in message
    assert "median ms" in message
    assert not list(bundle.parent.glob("*.latency.json"))


def test_many_threads_measure_once(bundle, images, caplog):
    dispatcher = Dispatcher(bundle)
    with caplog.at_level(logging.INFO, "tnn_tflite"), ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda image: dispatcher(image, budget_ms=5.0), [images[0]] * 16))
    assert len(caplog.records) == 1


@pytest.mark.parametrize("damage", ["cut", "stale"])
def test_a_bad_table_beside_the_bundle_is_measured_anew(measured_bundle, images, caplog, damage):
    (path,) = measured_bundle.parent.glob("*.latency.json")
    text = path.read_text()
    path.write_text(text[:100] if damage == "cut" else text.replace('"device": "', '"device": "x'))
    with caplog.at_level(logging.WARNING, "tnn_tflite"):
        assert Dispatcher(measured_bundle).run(images[0], budget_ms=1000).utilization == 1.0
    (record,) = caplog.records
    assert "Invalid table of latencies" in record.getMessage()
    with pytest.raises(TableError, match="Invalid table of latencies"):
        Dispatcher(measured_bundle, table=path)


def test_a_table_that_is_named(measured_bundle, images, tmp_path):
    (path,) = measured_bundle.parent.glob("*.latency.json")
    moved = path.rename(tmp_path / "my.json")
    dispatcher = Dispatcher(measured_bundle, table=moved)
    assert dispatcher.run(images[0], budget_ms=2.0).utilization == 0.5


def test_utilization_and_budget_together(dispatcher, images):
    message = "Expected either `utilization` or `budget_ms`. Received: utilization=0.5, budget_ms=4"
    for call in (dispatcher, dispatcher.run):
        with pytest.raises(ValueError, match=message):
            call(images, 0.5, budget_ms=4)
    with pytest.raises(ValueError, match=message):
        dispatcher.level_for(0.5, budget_ms=4)


@pytest.mark.parametrize("budget", [0, -1.0, float("nan"), float("inf"), "4", True, 10**400])
def test_budget_must_be_positive(dispatcher, images, budget):
    with pytest.raises(ValueError, match="`budget_ms`. Expected a finite number above 0"):
        dispatcher(images, budget_ms=budget)


def test_policy_decides_when_a_call_names_nothing(shared_bundle, images):
    policy = Recorder()
    dispatcher = Dispatcher(shared_bundle, policy=policy)
    dispatcher.warm_up()
    np.testing.assert_array_equal(dispatcher(images[0]), dispatcher(images[0], 0.5))
    result = dispatcher.run(images[0])
    assert (result.utilization, result.reason) == (1.0, "in turn")
    told = [result.utilization for result in policy.told]
    assert told == [0.5, 1.0]  # nothing of the call with u = 0.5
    assert policy.told[-1] is result
    assert [level.utilization for level in policy.seen[0]] == [0.25, 0.5, 1.0]
    assert policy.seen[0][0].macs == dispatcher.levels[0].macs


def test_result_tells_the_time_of_a_sample(shared_bundle, images):
    dispatcher = Dispatcher(shared_bundle)
    for x, samples in ((images, 5), (images[0], 1), (images[:0], 0)):
        result = dispatcher.run(x, 0.5)
        assert result.samples == samples
        assert result.milliseconds_per_sample == result.milliseconds / max(samples, 1)


def test_policy_is_told_whether_the_call_had_to_load(shared_bundle, images):
    policy = Recorder()
    dispatcher = Dispatcher(shared_bundle, policy=policy)
    for _ in range(4):
        dispatcher(images[0])
    assert [result.is_warm for result in policy.told] == [False, False, False, True]


@pytest.mark.parametrize("kind", [LatencyTarget, MeanLatency])
def test_a_call_that_loads_says_nothing_of_the_load(measured_bundle, images, kind):
    policy = kind(8.0)
    dispatcher = Dispatcher(measured_bundle, policy=policy)
    dispatcher(images[0])
    assert policy._slowdown.factor == 1.0
    dispatcher(images[0])
    assert policy._slowdown.factor < 1.0  # the levels take microseconds, the table says 1 ms


def test_policy_sees_the_inputs(shared_bundle, images):
    policy = Recorder()
    dispatcher = Dispatcher(shared_bundle, policy=policy)
    for x, batch in ((images[0], images[:1]), (images, images)):
        dispatcher(x)
        assert policy.inputs.keys() == {"image"}
        np.testing.assert_array_equal(policy.inputs["image"], batch)


def test_policy_reads_the_image_and_learns_from_the_answer(shared_bundle, images):
    """What a controller or an escalation needs: u from the input, and the outputs of the call."""

    class BrightOrSure(Policy):
        is_sure = False

        def choose(self, levels, inputs):
            bright = float(inputs["image"].mean()) > 0.0
            return Choice(0.25 if bright or self.is_sure else 1.0, "by the image")

        def observe(self, result):
            self.is_sure = float(result.outputs.max()) > -np.inf

    dispatcher = Dispatcher(shared_bundle, policy=BrightOrSure())
    dark = -np.abs(images[0])
    assert dispatcher.run(np.abs(images[0])).utilization == 0.25
    dispatcher._policy.is_sure = False
    assert [dispatcher.run(dark).utilization for _ in range(2)] == [1.0, 0.25]


def test_policy_sees_the_table(measured_bundle, images):
    policy = Recorder()
    Dispatcher(measured_bundle, policy=policy)(images[0])
    assert [level.milliseconds for level in policy.seen[0]] == list(TIMES.values())


def test_policy_may_be_a_function(shared_bundle, images):
    dispatcher = Dispatcher(shared_bundle, policy=lambda levels, inputs: 0.6)
    result = dispatcher.run(images[0])
    assert (result.utilization, result.reason) == (0.5, "the given function chose u=0.6")
    wrong = Dispatcher(shared_bundle, policy=lambda levels, inputs: 7)
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]. Received: utilization=7"):
        wrong(images[0])


@pytest.mark.parametrize("policy", [0.5, "low", LatencyBudget])
def test_neither_policy_nor_function(shared_bundle, policy):
    with pytest.raises(ValueError, match="`policy`. Expected a policy, for example"):
        Dispatcher(shared_bundle, policy=policy)


def test_without_a_policy_the_full_network_runs(dispatcher, images):
    result = dispatcher.run(images[0])
    assert (result.utilization, result.reason) == (1.0, "u=1, fixed by the caller")


def test_switches_are_logged(shared_bundle, images, caplog):
    dispatcher = Dispatcher(shared_bundle, policy=Fixed(0.5))
    with caplog.at_level(logging.INFO, "tnn_tflite"):
        for _ in range(3):
            dispatcher(images[0])
        dispatcher(images[0], 1.0)  # asked for, not chosen
        dispatcher._policy.utilization = 0.25
        dispatcher(images[0])
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "runs u=0.5: u=0.5, fixed by the caller",
        "runs u=0.25: u=0.25, fixed by the caller",
    ]


def test_nothing_is_printed(shared_bundle, images, capsys):
    dispatcher = Dispatcher(shared_bundle, policy=Fixed(0.5))
    dispatcher.run(images, budget_ms=1.0)
    dispatcher(images)
    assert capsys.readouterr() == ("", "")


def test_one_policy_for_many_threads(measured_bundle, images):
    """Every call is answered by the level that its result names, and told once."""
    told = []
    lock = threading.Lock()

    class Counting(LatencyTarget):
        def observe(self, result):
            super().observe(result)
            with lock:
                told.append(result.utilization)

    policy = Counting(2.0, dwell_seconds=1e-3, window_seconds=1e-3)
    dispatcher = Dispatcher(measured_bundle, policy=policy)
    expected = {u: dispatcher(images, u) for u in TIMES}

    def work(seed):
        for call in range(100):
            index = (seed + call) % len(images)
            result = dispatcher.run(images[index])
            np.testing.assert_array_equal(result.outputs, expected[result.utilization][index])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(told) == 800


def test_result_is_frozen_and_short(dispatcher, images):
    result = dispatcher.run(images)
    with pytest.raises(AttributeError, match="cannot assign to field 'outputs'"):
        result.outputs = None
    assert "array" not in repr(result)
    assert replace(result, reason="").reason == ""


@pytest.mark.parametrize("memory_limit", [None, 10**9])
def test_a_dispatcher_that_is_dropped_is_gone_at_once(shared_bundle, images, memory_limit):
    """No reference cycle keeps interpreters until the garbage collector comes by."""
    dispatcher = Dispatcher(shared_bundle, policy=LatencyBudget(5.0), memory_limit=memory_limit)
    dispatcher(images)
    dropped = [weakref.ref(dispatcher), *map(weakref.ref, dispatcher._network.pools)]
    gc.disable()
    try:
        del dispatcher
        assert [reference() for reference in dropped] == [None] * 4
    finally:
        gc.enable()
