"""The subcommands know that a bundle has a controller."""

import json
import re
import shutil

import numpy as np
import pytest

import keras_tnn
from hand_made_controllers import brightest, make_controller
from tnn_tflite import Dispatcher, read_bundle
from tnn_tflite.command import main
from tnn_tflite.latency.table_file import TableError, read_table


@pytest.fixture
def image(tmp_path, images):
    np.save(tmp_path / "image.npy", images[0])
    return str(tmp_path / "image.npy")


def test_levels(capsys, controlled_bundle):
    assert main(["levels", str(controlled_bundle), "--measure", "--repeats=3"]) == 0
    *_, row = (line.split() for line in capsys.readouterr().out.splitlines())
    controller = read_bundle(controlled_bundle).controller
    assert row[:4] == ["controller", "9", "12", f"{controller.bytes:,}"]
    assert float(row[4]) > 0
    assert row[5] == "controller.tflite"


def test_run_leaves_the_choice_to_it(capsys, controlled_bundle, image, images):
    assert main(["run", str(controlled_bundle), image, "--repeats=1"]) == 0
    level, reason, choice, *_ = capsys.readouterr().out.splitlines()
    (u,) = brightest(images[:1])
    assert level.startswith(f"level     u={u:g}: ")
    assert reason == f"reason    the controller chose u={u:g}"
    macs = {level.utilization: level.macs for level in read_bundle(controlled_bundle).levels}
    expected = rf"choice    9 of the call's {macs[u] + 9:,} MACs, 0\.\d+ of its \d\.\d+ ms"
    assert re.fullmatch(expected, choice)


def test_run_at_a_utilization(capsys, controlled_bundle, image):
    assert main(["run", str(controlled_bundle), image, "--utilization=1", "--repeats=1"]) == 0
    printed = capsys.readouterr().out
    assert "level     u=1 for utilization=1: " in printed
    assert "choice" not in printed


def test_calibrate(capsys, controlled_bundle, tmp_path):
    bundle = shutil.copytree(controlled_bundle, tmp_path / "bundle")
    assert main(["calibrate", str(bundle), "--rounds=3"]) == 0
    printed = capsys.readouterr().out
    (median,) = re.findall(r"^controller: median (\d\.\d{3}) ms, 90 % \d\.\d{3} ms$", printed, re.M)
    dispatcher = Dispatcher(bundle)
    (path,) = tmp_path.glob("*.latency.json")
    table = read_table(path, dispatcher.conditions, [0.25, 0.5, 1.0])
    assert f"{table.controller.milliseconds:.3f}" == median
    assert 0 < table.controller.milliseconds <= table.controller.percentile_90
    for wrong in ('{"milliseconds": 0, "percentile_90": 1}', "3"):
        record = json.loads(path.read_text()) | {"controller": json.loads(wrong)}
        path.write_text(json.dumps(record))
        with pytest.raises(TableError, match="Invalid table of latencies"):
            read_table(path, dispatcher.conditions, [0.25, 0.5, 1.0])


@pytest.mark.parametrize("target", ["coral", "xnnpack"])
def test_lint(capsys, controlled_bundle, target):
    main(["lint", str(controlled_bundle), f"--target={target}"])
    printed = capsys.readouterr().out
    assert f"{target}: 3 levels and a controller, " in printed
    if target == "coral":  # float32: everything fails, also in the controller
        assert re.search(r"^controller\b.* FULLY_CONNECTED", printed, re.M)
        files = ["controller", "u0.25", "u0.5", "u1.0"]
        paths = " ".join(f"{controlled_bundle}/{name}.tflite" for name in files)
        assert f"edgetpu_compiler -s -o compiled {paths}\n" in printed


def test_micro_has_no_way_to_run_it(capsys, controlled_bundle, tmp_path):
    assert main(["micro", str(controlled_bundle), str(tmp_path / "out")]) == 2
    assert "a role that is known here (level, " in capsys.readouterr().err


def test_convert(capsys, tmp_path, images):
    model = keras_tnn.models.VGG((8, 8, 3), 4, num_groups=2, filters=((4,),), dense_units=None)
    model.save(tmp_path / "net.keras")
    make_controller(2).save(tmp_path / "controller.keras")
    np.save(tmp_path / "train.npy", images)
    words = [tmp_path / "net.keras", tmp_path / "bundle", "--levels=0.5,1"]
    words += [f"--controller={tmp_path}/controller.keras", f"--calibration={tmp_path}/train.npy"]
    assert main(["convert", *map(str, words)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"wrote 2 levels and a controller to {tmp_path / 'bundle'}"
    )
    red_or_green = images[..., :2].mean(axis=(1, 2)).argmax(axis=-1)
    chosen = Dispatcher(tmp_path / "bundle").run(images).utilizations
    assert list(chosen) == [(0.5, 1.0)[index] for index in red_or_green]
