"""Every example runs, on two batches, and the README shows what it shows."""

import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from absl import flags

from tnn_tflite import read_bundle

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.stem: path for path in (ROOT / "examples").glob("*.py")}


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES[name])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_example_is_tested():
    tested = {"browser", "cifar10", "clips", "detection", "own_network", "quickstart"}
    tested |= {"throttle_pretrained"}
    assert set(EXAMPLES) == tested


def test_browser_writes_what_the_demo_shows(tmp_path, capsys):
    pytest.importorskip("PIL")
    load("browser").main(epochs=1, copies=1, levels=(0.25, 1.0), out=tmp_path / "bundle")
    assert len(re.findall(r"^u=.* MACs .* right$", capsys.readouterr().out, re.MULTILINE)) == 2
    shown = ROOT / "js" / "demo"
    assert (tmp_path / "examples.json").read_text() == (shown / "examples.json").read_text()
    made, tracked = (read_bundle(folder / "bundle") for folder in (tmp_path, shown))
    assert (made.inputs, made.outputs, made.layout) == (tracked.inputs, tracked.outputs, "single")
    assert (made.labels, made.preprocessing) == (tracked.labels, tracked.preprocessing)


def test_own_network_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    load("own_network").main(samples=64)
    out = capsys.readouterr().out
    assert "accuracy" in out and "25/25" in out


def test_quickstart_is_right_at_each_level(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    load("quickstart").main()
    out = capsys.readouterr().out
    rows = re.findall(r"^ *(?:0.25|0.5|1) .*J +(\S+) +\S+$", out, re.MULTILINE)
    assert len(rows) == 3 and min(map(float, rows)) > 0.85  # 0.94 to 0.96 in the README
    assert all(f"{u} 2 is 2" in out for u in (0.25, 0.5, 1.0))


def test_the_readme_shows_the_quickstart_and_is_a_door():
    lines = inspect.getsource(load("quickstart").main).splitlines()[1:]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert textwrap.dedent("\n".join(lines)) in readme
    assert len(readme.splitlines()) <= 150


def cifar10_file(folder: Path) -> Path:
    """Random images in the form of CIFAR-10."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (128, 32, 32, 3), dtype="uint8")
    labels = rng.integers(0, 10, 128)
    path = folder / "data.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[:32], y_test=labels[:32])
    return path


def run(name: str, *flags: str) -> str:
    """What an example prints in a process of its own."""
    result = subprocess.run(
        [sys.executable, str(EXAMPLES[name]), *flags],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_cifar10_trains_reports_and_resumes(tmp_path):
    flags = [f"--data={cifar10_file(tmp_path)}", f"--out={tmp_path}", "--epochs=1"]
    flags += ["--schedules=vanilla,distilled", "--levels=0.5,1.0"]
    first, second = (run("cifar10", *flags) for _ in range(2))
    assert "2/2" in first and "2/2 -" not in second  # nothing trains twice
    report = (tmp_path / "distilled.txt").read_text()
    assert "TFLite accuracy" in report and report in second
    assert (tmp_path / "distilled.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "distilled.json").read_text())["step_ms"] > 0


def test_throttle_pretrained_shows_the_levels_before_and_after(tmp_path):
    flags = [f"--data={cifar10_file(tmp_path)}", f"--out={tmp_path}"]
    flags += ["--pretrain_epochs=1", "--tune_epochs=1"]
    first, second = (run("throttle_pretrained", *flags) for _ in range(2))
    assert "2/2 -" in first and "2/2 -" not in second  # nothing trains twice
    for table in ("before", "after"):
        text = (tmp_path / f"{table}.txt").read_text()
        assert text.startswith(f"{table} fine-tuning\n") and "12.50 M" in text and text in second
    assert (tmp_path / "after.png").stat().st_size > 10_000


def test_clips_run_with_their_controller(tmp_path):
    rng = np.random.default_rng(0)
    clips = {
        "x": rng.uniform(-1, 1, (40, 20, 15, 2)),
        "len": np.full(40, 18),
        "y": np.arange(40) % 3,
    }
    arrays = {f"{key}_{part}": a for key, a in clips.items() for part in ("train", "test")}
    np.savez(tmp_path / "joints.npz", **arrays, class_names=["catch", "clap", "golf"])
    flags = [f"--data={tmp_path / 'joints.npz'}", f"--out={tmp_path}", "--clips=20"]
    said = run("clips", *flags, "--epochs=1", "--rounds=1")
    assert "as in Keras for 100.0% of the clips" in said
    assert "the controller chose u=" in said
    assert (tmp_path / "bundle" / "controller.tflite").exists()


def test_heat_maps_show_each_joint_where_it_is():
    joints = np.zeros((1, 20, 1, 2))
    joints[..., 0] = np.linspace(-1, 1, 20)[None, :, None]  # from left to right, in the middle
    known = set(flags.FLAGS)
    maps = load("clips").heat_maps(joints, np.array([20]))
    for name in set(flags.FLAGS) - known:  # other examples have flags of these names
        delattr(flags.FLAGS, name)
    assert maps.shape == (1, 16, 16, 16, 1)
    assert [frame.max(0).argmax() for frame in maps[0, ..., 0]] == list(range(16))
    assert {int(frame.max(1).argmax()) for frame in maps[0, ..., 0]} <= {7, 8}


def test_cifar10_refuses_an_unknown_schedule(tmp_path):
    command = [sys.executable, str(EXAMPLES["cifar10"]), f"--out={tmp_path}", "--schedules=fast"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode != 0
    assert "Unknown schedule 'fast'. Expected any of vanilla" in result.stdout + result.stderr


@pytest.mark.filterwarnings("ignore")  # tensorflow_datasets' own
def test_cifar10_reads_tensorflow_datasets():
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=20):  # its own CIFAR-10 without a download
        images, labels = load("cifar10").from_tfds("test")
    assert images.shape == (20, 32, 32, 3) and images.dtype == np.uint8
    assert labels.shape == (20,) and labels.max() < 10


def test_detection_measures_the_levels_and_draws_boxes(tmp_path):
    for name in ("keras_hub", "pycocotools"):
        pytest.importorskip(name, reason="of the extra 'detection'")
    rng = np.random.default_rng(0)
    corners = rng.random((8, 5, 2)) / 2
    boxes = np.concatenate([corners, corners + 0.3], axis=-1).astype("float32")
    photos = rng.integers(0, 256, (8, 120, 160, 3), dtype="uint8")
    labels = rng.integers(-1, 3, (8, 5)).astype("int8")
    splits = {"x": photos, "boxes": boxes, "y": labels}
    arrays = {f"{name}_{split}": splits[name] for split in ("train", "test") for name in splits}
    np.savez(tmp_path / "data.npz", **arrays, class_names=["a", "b", "c"])
    flags = [f"--data={tmp_path / 'data.npz'}", f"--out={tmp_path}", "--epochs=1"]
    out = run("detection", *flags, "--tune_epochs=1")
    assert out.count("mAP50") == 4 and "sandwich rule" in out
    assert (tmp_path / "map.png").stat().st_size > 10_000
    assert (tmp_path / "boxes.png").stat().st_size > 10_000
