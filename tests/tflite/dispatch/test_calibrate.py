"""Levels are measured in turn, and the table stands beside the bundle."""

import json
import time

import numpy as np
import pytest

from tnn_tflite import Dispatcher
from tnn_tflite.command import calibrate as command
from tnn_tflite.dispatch.calibrate import calibrate
from tnn_tflite.dispatch.conditions import device_name
from tnn_tflite.latency.in_turn import seconds_in_turn
from tnn_tflite.latency.table_file import read_table, table_path


def test_in_turn():
    """Each is run twice, and the second is timed: the first one brings it into the caches."""
    order = []

    def call(name, seconds):
        order.append(name)
        if order[-2:] == [name, name]:
            time.sleep(seconds)

    calls = [lambda: call("a", 0.002), lambda: call("b", 0.004)]
    seconds = seconds_in_turn(calls, rounds=3)
    assert "".join(order) == "aabb" * 3
    assert seconds.shape == (3, 2)
    assert (seconds >= (0.002, 0.004)).all()  # `sleep` is never shorter


def test_in_turn_ends_in_time():
    calls = [lambda: time.sleep(0.01)]
    assert len(seconds_in_turn(calls, rounds=1000, at_most_seconds=0.0)) == 3
    rounds = len(seconds_in_turn(calls, rounds=1000, at_most_seconds=0.1))
    assert 3 <= rounds <= 6  # 20 ms a round


def test_table_stands_beside_the_bundle(bundle):
    before = sorted(path.name for path in bundle.iterdir())
    dispatcher = Dispatcher(bundle)
    table = calibrate(dispatcher, rounds=5)
    assert sorted(path.name for path in bundle.iterdir()) == before
    path = table_path(bundle, dispatcher.conditions)
    assert path.parent == bundle.parent
    assert path.name.startswith("bundle.")
    assert read_table(path, dispatcher.conditions, [0.25, 0.5, 1.0]) == table
    for level in table.levels:
        assert 0 < level.milliseconds <= level.percentile_90
        assert (level.joules, level.accuracy) == (None, None)


def test_bound_to_the_manifest(bundle):
    first = Dispatcher(bundle).conditions
    manifest = bundle / "manifest.json"
    record = json.loads(manifest.read_text())
    record.pop("manifest_sha256", None)  # who changes a manifest leaves it out
    record["programs"][0]["macs"] += 1
    manifest.write_text(json.dumps(record))
    assert Dispatcher(bundle).conditions.manifest_sha256 != first.manifest_sha256


def test_accuracy_of_labelled_samples(bundle, images):
    """Labelled with what the full level says, it is right in all, and others as they agree."""
    dispatcher = Dispatcher(bundle)
    y = dispatcher(images).argmax(-1)
    table = calibrate(dispatcher, labelled=(images, y), rounds=3)
    agree = [np.mean(dispatcher(images, u).argmax(-1) == y) for u in (0.25, 0.5)]
    assert [level.accuracy for level in table.levels] == [*agree, 1.0]
    with pytest.raises(ValueError, match="a class for each sample. Received: 5 samples and 4 cl"):
        calibrate(dispatcher, labelled=(images, y[:4]), rounds=3)


def test_counters_that_stand_still_measure_nothing(bundle, tmp_path):
    zone = tmp_path / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "energy_uj").write_text("7\n")
    table = calibrate(Dispatcher(bundle), rounds=3, powercap=zone.parent)
    assert [level.joules for level in table.levels] == [None, None, None]


def test_rounds(dispatcher):
    with pytest.raises(ValueError, match="`rounds`. Expected an integer, at least 3. Received: "):
        calibrate(dispatcher, rounds=2)


def test_device_name(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 4 Model B\n")
    assert device_name(str(path)).startswith("Raspberry Pi 4 Model B, ")
    path.write_text("processor\t: 0\nmodel name\t: AMD EPYC\n")
    assert device_name(str(path)).startswith("AMD EPYC, ")
    assert device_name(str(tmp_path / "none")).endswith(" cores")


def test_command(capsys, bundle, tmp_path, images):
    np.savez(tmp_path / "test.npz", x=images, y=np.zeros(5, int))
    np.save(tmp_path / "one.npy", images[0])
    flags = [f"--labelled={tmp_path / 'test.npz'}", f"--sample={tmp_path / 'one.npy'}"]
    command.main([str(bundle), "--rounds=3", *flags])
    header, *rows, stored = capsys.readouterr().out.splitlines()
    assert header.split() == ["u", "median", "ms", "90", "%", "ms", "accuracy"]
    assert [row.split()[0] for row in rows] == ["0.25", "0.5", "1"]
    path = table_path(bundle, Dispatcher(bundle).conditions)
    assert stored == f"stored in {path}"
    assert path.exists()


def test_command_without_labels(bundle, tmp_path, images):
    np.savez(tmp_path / "test.npz", x=images)
    with pytest.raises(ValueError, match="Expected the arrays x and y in .*. Received: x"):
        command.main([str(bundle), f"--labelled={tmp_path / 'test.npz'}"])
