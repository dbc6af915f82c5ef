"""Policies that look at the machine: real files as Linux writes them, in a folder of the test."""

import pytest

from tnn_tflite.policies import Battery, Thermal
from tnn_tflite.policies.battery import discharging
from tnn_tflite.policies.sampled import Sampled
from tnn_tflite.policies.thermal import hottest_zone


def describe(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    return folder


@pytest.fixture
def supplies(tmp_path):
    describe(tmp_path / "AC", type="Mains", online=0)
    describe(tmp_path / "BAT0", type="Battery", status="Discharging", capacity=50)
    return tmp_path


@pytest.mark.parametrize(
    ("capacity", "utilization"),
    [(100, 1.0), (80, 1.0), (50, 0.625), (20, 0.25), (3, 0.25)],  # 1/4 + 1/2 * 3/4 at 50 %
)
def test_battery(levels, supplies, capacity, utilization):
    describe(supplies / "BAT0", capacity=capacity)
    choice = Battery(low=0.2, high=0.8, root=supplies).choose(levels, {})
    assert choice.utilization == pytest.approx(utilization)
    assert choice.reason == f"battery at {capacity} %, discharging"


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_battery_that_does_not_discharge(levels, supplies, status):
    describe(supplies / "BAT0", status=status)
    choice = Battery(root=supplies).choose(levels, {})
    assert (choice.utilization, choice.reason) == (1.0, "no battery is discharging")


def test_which_battery_counts(supplies, tmp_path):
    describe(supplies / "BAT1", type="Battery", status="Discharging", capacity=30)
    describe(supplies / "BAT2", type="Battery", status="Charging", capacity=10)
    describe(supplies / "mouse", type="Battery", scope="Device", status="Discharging", capacity=1)
    describe(supplies / "odd", type="Battery", status="Discharging", capacity="much")
    assert discharging(supplies) == 0.3
    assert discharging(tmp_path / "none") is None


def test_thermal(levels, tmp_path):
    describe(tmp_path / "thermal_zone0", temp=40000)
    describe(tmp_path / "thermal_zone1", temp=70000)
    (tmp_path / "thermal_zone2" / "temp").mkdir(parents=True)  # a sensor that gives an error
    describe(tmp_path / "cooling_device0", temp=99000)
    assert hottest_zone(tmp_path) == 70.0
    now = [0.0]
    policy = Thermal(60, 80, root=tmp_path, clock=lambda: now[0])
    assert policy.choose(levels, {}).utilization == pytest.approx(0.625)  # 1/4 + 1/2 * 3/4
    for degrees, utilization in ((50, 1.0), (60, 1.0), (80, 0.25), (95, 0.25)):
        describe(tmp_path / "thermal_zone1", temp=1000 * degrees)
        now[0] += 1.0
        choice = policy.choose(levels, {})
        assert choice.utilization == utilization
        assert choice.reason == f"{degrees:.1f} degrees, 60 is cool and 80 is hot"
    for zone in ("thermal_zone0", "thermal_zone1"):
        (tmp_path / zone / "temp").unlink()
    now[0] += 1.0
    assert policy.choose(levels, {}).utilization == 0.25
    assert "cannot be read any more" in policy.choose(levels, {}).reason


def test_thermal_without_a_sensor(tmp_path):
    with pytest.raises(ValueError, match="a thermal zone that can be read.*Give `read`"):
        Thermal(root=tmp_path)


def test_a_function_may_read(levels):
    assert Battery(0.0, 1.0, read=lambda: 1 / 3).choose(levels, {}).utilization == pytest.approx(
        0.5
    )
    assert Thermal(0, 3, read=lambda: 2.0).choose(levels, {}).utilization == pytest.approx(0.5)


def test_readings_are_renewed_now_and_then():
    now, readings = [0.0], iter((1.0, 2.0, 3.0))
    sampled = Sampled(lambda: next(readings), 10.0, lambda: now[0])
    values = []
    for now[0] in (0.0, 9.9, 10.0, 19.9, 20.1):
        values.append(sampled.value())
    assert values == [1.0, 1.0, 2.0, 2.0, 3.0]


def test_limits():
    with pytest.raises(ValueError, match="Expected 0 <= low < high <= 1. Received: low=0.8"):
        Battery(0.8, 0.2)
    with pytest.raises(ValueError, match="Expected cool < hot. Received: cool=80"):
        Thermal(80, 60)
