"""Policies that decide by what was measured before."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite.policies import AccuracyFloor, Fixed, KnownLevel, LatencyBudget

ACCURACIES = {0.25: 0.60, 0.5: 0.80, 0.75: 0.85, 1.0: 0.84}


def test_fixed(levels):
    assert Fixed(0.6).choose(levels, {}).utilization == 0.6
    with pytest.raises(ValueError, match=r"`utilization`. Expected a float in \(0, 1\]"):
        Fixed(0)


@pytest.mark.parametrize(
    ("budget", "utilization", "reason"),
    [
        (0.5, 0.25, "no level fits into the budget of 0.500 ms: u=0.25 takes 1.000 ms, and"),
        (1.0, 0.25, "u=0.25 takes 1.000 ms of the budget of 1.000 ms, u=0.5 would take 2.000 ms"),
        (7.9, 0.75, "u=0.75 takes 4.000 ms of the budget of 7.900 ms, u=1 would take 8.000 ms"),
        (9, 1.0, "u=1 takes 8.000 ms of the budget of 9.000 ms, and there is nothing larger"),
    ],
)
def test_latency_budget(levels, budget, utilization, reason):
    choice = LatencyBudget(budget).choose(levels, {})
    assert choice.utilization == utilization
    assert choice.reason.startswith(reason)


def test_latency_budget_by_the_slow_calls(levels):
    levels = [replace(level, percentile_90=2 * level.milliseconds) for level in levels]
    assert LatencyBudget(4.0).choose(levels, {}).utilization == 0.75
    assert LatencyBudget(4.0, percentile=90).choose(levels, {}).utilization == 0.5
    with pytest.raises(ValueError, match="Expected 50 or 90. Received: percentile=99"):
        LatencyBudget(4.0, percentile=99)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.floats(0.01, 100))
def test_highest_level_that_fits(times, budget):
    """Also where a higher level happens to be quicker than a lower one."""
    levels = [KnownLevel((i + 1) / 8, 1, 1, 1, milliseconds=t) for i, t in enumerate(times)]
    index = round(8 * LatencyBudget(budget).choose(levels, {}).utilization) - 1
    assert all(time > budget for time in times[index + 1 :])
    assert times[index] <= budget or index == 0


@pytest.mark.parametrize(
    ("floor", "utilization"), [(0.0, 0.25), (0.8, 0.5), (0.81, 0.75), (0.85, 0.75), (0.9, 0.75)]
)
def test_accuracy_floor(levels, floor, utilization):
    choice = AccuracyFloor(floor, ACCURACIES).choose(levels, {})
    assert choice.utilization == utilization
    assert choice.reason.startswith("no level has accuracy 0.9") == (floor == 0.9)


def test_cost_is_energy_before_latency_before_macs(levels):
    """Latency, MACs and energy each name another level the cheapest."""
    joules, milliseconds = (4.0, 3.0, 2.0, 1.0), (5.0, 1.0, 4.0, 4.0)
    known = [
        replace(level, joules=j, milliseconds=ms)
        for level, j, ms in zip(levels, joules, milliseconds, strict=True)
    ]
    accuracies = dict.fromkeys(ACCURACIES, 0.9)
    floor = AccuracyFloor(0.5, accuracies)
    assert floor.choose(known, {}).utilization == 1.0
    known[1] = replace(known[1], joules=None)
    assert floor.choose(known, {}).utilization == 0.5
    known[0] = replace(known[0], milliseconds=None)
    assert floor.choose(known, {}).utilization == 0.25


def test_accuracy_from_the_table(levels):
    known = [replace(level, accuracy=ACCURACIES[level.utilization]) for level in levels]
    assert AccuracyFloor(0.7).choose(known, {}).utilization == 0.5
    with pytest.raises(ValueError, match="accuracy of every level. Received: none for u=0.25"):
        AccuracyFloor(0.7).choose(levels, {})
    with pytest.raises(ValueError, match="Received: none for u=0.5"):
        AccuracyFloor(0.7, {0.25: 0.5}).choose(levels, {})
    with pytest.raises(ValueError, match=r"`floor`. Expected an accuracy in \[0, 1\]"):
        AccuracyFloor(70)
