"""The law of the closed loop, on a simulated device: nothing here depends on a real clock.

The table has 1, 2, 4 and 8 ms for u = 1/4, 1/2, 3/4 and 1. The target is 5 ms.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tnn_tflite.policies import LatencyTarget
from tnn_tflite.policies.slowdown import Slowdown

TARGET = 5.0


def switches(calls):
    """When the level changed."""
    return calls.start[1:][np.diff(calls.utilization) != 0]


@pytest.fixture
def policy(device):
    return LatencyTarget(TARGET, clock=device.clock)


@pytest.mark.parametrize(
    ("load", "utilization"),
    [
        (0.5, 1.0),  # 8 ms take 4, and 4 <= 0.9 * 5
        (1.0, 0.75),  # 4 fits, 8 does not
        (1.2, 0.75),  # 4 takes 4.8: above 0.9 * 5, but it runs already
        (1.3, 0.5),  # 4 would take 5.2, 2 takes 2.6
        (4.0, 0.25),  # 2 would take 8, 1 takes 4
        (9.0, 0.25),  # nothing fits: the lowest
    ],
)
def test_steady_load(device, policy, load, utilization):
    calls = device.drive(policy, 10.0, lambda start, level: load)
    assert calls.utilization[0] == 0.75  # by the table alone
    assert set(calls.utilization[calls.start > 1.1]) == {utilization}  # one wait, one switch
    assert len(switches(calls)) == (utilization != 0.75)


def test_load_that_comes_and_goes(device, policy):
    """20 s idle, 20 s with two more processes on the core, 20 s with half of one."""
    loads = (1.0, 3.0, 1.5)
    calls = device.drive(policy, 60.0, lambda start, level: loads[int(start // 20)], noise=0.1)
    assert len(switches(calls)) == 2
    for part, utilization in enumerate((0.75, 0.25, 0.5)):
        settled = (calls.start > 20 * part + 1.1) & (calls.start < 20 * part + 20)
        assert set(calls.utilization[settled]) == {utilization}
    seconds = calls.start.astype(int)
    means = np.array([calls.ms[seconds == second].mean() for second in range(60)])
    # The second in which the load rises may be over; 10 % is the promise for all others.
    assert (means > 1.1 * TARGET).sum() <= 1


def test_window_of_a_load_that_rose(device, policy):
    """The load rises to 3 times the table: one switch, to the level that fits."""
    calls = device.drive(policy, 10.0, lambda start, level: 1.0 if start < 5 else 3.0)
    (switched,) = switches(calls)
    # t seconds after the rise, calls that took 1 s had 1 - t + t / 3 by the table. The mean of a
    # 4 ms call is 5 ms when that is 0.8: t = 0.3.
    assert switched == pytest.approx(5.3, abs=0.02)
    assert calls.utilization[-1] == 0.25


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example makes its own
)
@given(
    loads=st.lists(st.floats(0.2, 12.0), min_size=2, max_size=12),
    piece=st.floats(0.05, 3.0),
    noise=st.floats(0.0, 0.6),
    seed=st.integers(0, 99),
)
def test_never_two_switches_within_a_second(device, loads, piece, noise, seed):
    device = type(device)(device.levels)
    policy = LatencyTarget(TARGET, clock=device.clock)
    calls = device.drive(
        policy, 8.0, lambda t, level: loads[int(t / piece) % len(loads)], noise, seed
    )
    # 1e-9: the clock is a sum of many floats.
    assert np.all(np.diff(switches(calls), prepend=0.0) >= 1.0 - 1e-9)


def wavering(start, level):
    """4 % around the load at which 4 ms take the whole target, once in 8 s."""
    return TARGET / 4 * (1 + 0.04 * np.sin(2 * np.pi * start / 8))


@pytest.mark.parametrize(("hysteresis", "is_calm"), [(0.1, True), (0.0, False)])
def test_hysteresis_keeps_a_wavering_load_from_flapping(device, hysteresis, is_calm):
    policy = LatencyTarget(TARGET, hysteresis=hysteresis, clock=device.clock)
    calls = device.drive(policy, 60.0, wavering)
    assert (len(switches(calls)) <= 1) == is_calm


def test_a_level_that_is_slower_than_its_table_is_tried_less_and_less(device, policy):
    """u = 3/4 really takes 6 ms: each try is over the target and undone."""
    calls = device.drive(policy, 240.0, lambda start, level: 1.5 if level.milliseconds == 4 else 1)
    tries = switches(calls)[1::2]
    waits = np.diff(tries)
    # 2, 4, 8, 16 and 32 seconds below, and a second above each time.
    np.testing.assert_allclose(waits[:5], [3, 5, 9, 17, 33], atol=0.1)
    assert waits[5:].max() < 33.1  # it never gives up


def test_reason(levels, policy):
    assert policy.choose(levels, {}).reason == (
        "u=0.75 is predicted to take 4.000 ms, the target is 5.000 ms and the device 1.00 times "
        "as slow as its table"
    )


def test_slowdown_forgets_what_is_older_than_its_window():
    now = [0.0]
    slowdown = Slowdown(1.0, lambda: now[0])
    slowdown.add(0.001, 0.009)
    now[0] = 0.9
    slowdown.add(0.002, 0.003)
    assert slowdown.factor == pytest.approx(12 / 3)
    now[0] = 1.5
    slowdown.add(0.001, 0.003)
    assert slowdown.factor == pytest.approx(6 / 3)
    now[0] = 99.0
    assert slowdown.factor == pytest.approx(6 / 3)  # nothing newer is known
    slowdown.add(0.001, 0.001)
    assert slowdown.factor == pytest.approx(1)


def test_slowdown_of_the_last_calls():
    now = [0.0]
    slowdown = Slowdown(1.0, lambda: now[0])
    assert slowdown.factor_over(0.5) == 1
    for call in range(10):
        now[0] = call / 10
        slowdown.add(0.001, 0.001 if call < 5 else 0.003)
    assert slowdown.factor == pytest.approx(20 / 10)
    assert slowdown.factor_over(0.45) == pytest.approx(15 / 5)
    assert slowdown.factor_over(0.35) == pytest.approx(20 / 10)  # four calls are too few


def test_a_stall_is_not_a_load(device, policy):
    """A call of 90 ms every 2 s: the mean is 4.2 ms, and u = 3/4 is right."""
    last = [0.0]

    def stalls(start, level):
        if start - last[0] < 2.0:
            return 1.0
        last[0] = start
        return 90 / level.milliseconds

    calls = device.drive(policy, 60.0, stalls)
    assert set(calls.utilization) == {0.75}
    # At 4.6 ms a call the same stall is too much, and 4.6 ms do not leave 10 % free afterwards.
    calls = device.drive(policy, 60.0, lambda start, level: 1.15 * stalls(start, level))
    assert len(switches(calls)) == 1
    assert calls.utilization[-1] == 0.5  # one level lower, not the lowest


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "4", True, None])
def test_target_must_be_positive(value):
    with pytest.raises(ValueError, match="`milliseconds`. Expected a finite number above 0"):
        LatencyTarget(value)


def test_other_arguments():
    with pytest.raises(ValueError, match=r"`hysteresis`. Expected a share in \[0, 1\)"):
        LatencyTarget(1, hysteresis=1.0)
    with pytest.raises(ValueError, match="0 < window_seconds <= dwell_seconds. Received: window"):
        LatencyTarget(1, window_seconds=2.0)
