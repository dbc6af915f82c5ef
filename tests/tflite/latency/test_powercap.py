"""Energy counters as Linux shows them, in a folder of the test."""

import pytest

from tnn_tflite.latency.powercap import EnergyCounters, joules_of_calls


def zone(root, folder, name, energy, around=1000):
    path = root / folder
    path.mkdir(parents=True)
    for file, value in (("name", name), ("energy_uj", energy), ("max_energy_range_uj", around)):
        (path / file).write_text(f"{value}\n")
    return path


def test_packages_count_once(tmp_path):
    """As on a two-socket server: parts, the platform and the second interface are left out."""
    first = zone(tmp_path, "intel-rapl:0", "package-0", 100)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 200)
    zone(tmp_path, "intel-rapl:0:0", "core", 50)
    zone(tmp_path, "intel-rapl:2", "psys", 900)
    counters = EnergyCounters.find(tmp_path)
    assert set(counters.zones) == {first, second}
    assert sorted(counters.read()) == [100, 200]


def test_a_package_with_two_interfaces(tmp_path):
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 7)
    zone(tmp_path, "intel-rapl:0", "package-0", 7)
    assert len(EnergyCounters.find(tmp_path).zones) == 1


def test_joules(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 900, around=2_000_000) / "energy_uj"
    counters = EnergyCounters.find(tmp_path)
    before = counters.read()
    counter.write_text("500900\n")
    assert counters.joules_between(before, counters.read()) == pytest.approx(0.5)
    # A counter that came around: 2 J less 0.5009 J to its end, and 0.1 J from 0.
    before = counters.read()
    counter.write_text("100000\n")
    assert counters.joules_between(before, counters.read()) == pytest.approx(1.5991)


def test_none(tmp_path):
    assert EnergyCounters.find(tmp_path) is None
    assert EnergyCounters.find(tmp_path / "nothing") is None
    path = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    counters = EnergyCounters.find(tmp_path)
    (path / "energy_uj").unlink()
    (path / "energy_uj").mkdir()  # cannot be read, as for anybody but root
    assert EnergyCounters.find(tmp_path) is None
    assert counters.read() is None


def test_energy_of_calls(tmp_path):
    """Each call adds what it uses to the counter: 2 mJ, 5 mJ."""
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0) / "energy_uj"

    def use(microjoules):
        counter.write_text(f"{int(counter.read_text()) + microjoules}\n")

    calls = [lambda: use(2000), lambda: use(5000)]
    counters = EnergyCounters.find(tmp_path)
    assert joules_of_calls(calls, counters, seconds=0.01) == pytest.approx([0.002, 0.005])
    assert joules_of_calls([lambda: use(0)], counters, seconds=0.01) is None
    counter.unlink()
    assert joules_of_calls([lambda: None], counters, seconds=0.01) is None
