"""The code in docs/ runs and does what the text says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import keras_tnn as tnn
from tnn_tflite.command import main

DOCS = Path(__file__).parents[2] / "docs"


def test_the_rules_in_the_docs_cut_their_layers():
    names = {}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / "surgery.md").read_text(), re.DOTALL):
        exec(code, names)
    image = keras.Input((6,))
    x = names["Scale"](name="scale")(keras.layers.Dense(8)(image))
    x = names["LowRank"](12, rank=3, name="low_rank")(x)
    model = keras.Model(image, keras.layers.Dense(2)(x))
    model.get_layer("scale").scale.assign(np.arange(1.0, 9))
    dialled = tnn.throttle(model, num_groups=4, strict=True, channel_order="l1")
    small = tnn.materialize(dialled, 0.5)
    assert small.get_layer("scale").scale.shape == (4,)
    assert [w.shape for w in small.get_layer("low_rank").weights] == [(4, 3), (3, 6)]
    assert tnn.count_macs(small) == 6 * 4 + (4 * 3 + 3 * 6) + 6 * 2
    x = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
    masked = dialled([x, np.full(3, 0.5, "float32")])
    np.testing.assert_allclose(small(x), masked, rtol=1e-5, atol=1e-6)


def test_the_transformer_of_the_docs_is_cut():
    names = {}
    code = (DOCS / "transformers.md").read_text()
    for block in re.findall(r"```python\n(.*?)```", code, re.DOTALL):
        exec(block, names)
    vit, dialled = names["vit"], names["dialled"]
    x = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(dialled(x), vit(x), atol=1e-6)
    masked = dialled([x, np.full(3, 0.5, "float32")])
    np.testing.assert_allclose(tnn.materialize(dialled, 0.5)(x), masked, rtol=1e-4, atol=1e-5)


# The guide says why gates of u are converted without calibration data.
@pytest.mark.filterwarnings("ignore:The model has batch normalization:UserWarning")
def test_the_guide_to_learned_gates_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / "gates.md").read_text(), re.DOTALL):
        exec(code, names)
    assert 0.4 < names["share"] < 0.7  # asked for 0.5
    assert names["accuracy"] > 0.85  # of the pruned network
    low, half, full = names["blind_levels"].rows
    assert low.macs < half.macs < full.macs
    assert min(row.metrics["accuracy"] for row in (low, half, full)) > 0.6
    probabilities = names["dispatcher"](names["x"][:1])
    np.testing.assert_allclose(np.sum(probabilities), 1, rtol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {
        "pruned_bundle",
        "conditional_bundle",
        "walking_bundle",
        "blind_bundle",
        "budget_bundle",
    }


def test_the_guide_to_controllers_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = {}
    for code in re.findall(
        r"```python\n(.*?)```", (DOCS / "controllers.md").read_text(), re.DOTALL
    ):
        exec(code, names)
    best, outcomes, climbed = names["best"], names["outcomes"], names["climbed"]
    assert best.accuracy >= outcomes.accuracy.max()
    assert climbed.accuracy > outcomes.accuracy[0]
    assert [one.name for one in names["table"].controllers] == ["image", "behind"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".png"}


def test_the_guide_to_exits_on_the_device_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / "anytime.md").read_text(), re.DOTALL):
        exec(code, names)
    printed = capsys.readouterr().out
    assert re.findall(r"^(early|late) ", printed, re.MULTILINE)[:2] == ["early", "late"]
    np.testing.assert_allclose(
        names["outputs"], names["model"](names["sample"][None])[1][0], rtol=1e-4, atol=1e-5
    )
    early, late = names["sure"].levels
    assert (early.name, late.name, late.utilization) == ("early", "late", 1.0)
    assert set(names["result"].utilizations) <= {early.utilization, 1.0}


def test_the_guide_to_exits_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / "exits.md").read_text(), re.DOTALL):
        exec(code, names)
    model, outcomes, stopped = names["model"], names["outcomes"], names["stopped"]
    assert len(model.exit_names) == 6  # two a stage of two blocks, the last of them the output
    assert outcomes.accuracy.max() > 0.5  # a chance of 0.1
    assert stopped.mean_cost < 0.7  # calibrated for 0.5 on other samples
    assert names["answers"].shape == (len(names["exits"]), 10)
    assert names["level"].exit_names == names["dialled"].exit_names


# keras-hub hands `fit` a dataset.
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")
def test_the_guide_to_detection_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("keras_hub", reason="keras-hub is the extra 'detection'")
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / "detection.md").read_text(), re.DOTALL):
        exec(code, names)
    assert names["found"]["boxes"].shape == (4, 100, 4)
    assert names["boxes"].shape == (80, 4) == names["anchors"].shape
    assert [row.metrics.keys() for row in names["table"].rows] == [{"boxes a photo"}] * 2


def test_the_guide_to_throttling_runs(capsys):
    text = (DOCS / "throttling.md").read_text()
    names = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, names)
    assert capsys.readouterr().out in text


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # Keras' export
def test_a_level_goes_to_onnx_as_the_guide_says(tmp_path, monkeypatch):
    pytest.importorskip("tf2onnx", reason="tf2onnx is the extra 'onnx'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is the extra 'onnx'")
    monkeypatch.chdir(tmp_path)
    model = tnn.models.VGG((8, 8, 1), 10, 4, filters=((8,), (8,)), dense_units=16)
    x = np.random.default_rng(0).random((8, 8, 8, 1), "float32")
    names = {"tnn": tnn, "onnxruntime": onnxruntime, "model": model, "x": x}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / "shipping.md").read_text(), re.DOTALL):
        exec(code, names)
    np.testing.assert_allclose(names["answers"], names["level"](x), atol=1e-5)


def test_getting_started_is_right_at_each_step(tmp_path, monkeypatch, capsys):
    Image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    digits = load_digits()
    for place, (pixels, name) in enumerate(zip(digits.images, digits.target, strict=True)):
        folder = Path("digits", "train" if place % 4 else "test", f"digit {name}")
        folder.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((pixels * 15.9).astype("uint8")).resize((16, 16))
        picture.save(folder / f"{place}.png")
    seven = next(Path("digits/test/digit 7").iterdir())
    shutil.copy(seven, "photo.png")
    names = {}
    text = (DOCS / "getting_started.md").read_text()
    codes = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for code in codes:
        exec(code, names)
    to_the_bundle = "".join(codes[:3]).splitlines()
    assert len([line for line in to_the_bundle if line]) <= 25
    assert names["plain"].evaluate(names["test"], verbose=0)[1] > 0.9
    assert all(row.metrics["accuracy"] > 0.9 for row in names["table"].rows)
    pictures = [next(folder.iterdir()) for folder in sorted(Path("digits/test").iterdir())]
    pixels = np.stack([np.asarray(Image.open(path))[..., None] for path in pictures])
    for u in names["levels"]:  # a picture of each class, as it comes from the disk
        right = names["dispatcher"](pixels, utilization=u).argmax(axis=-1) == np.arange(10)
        assert right.mean() >= 0.9
    (steps,) = names["dispatcher"].bundle.preprocessing.values()
    assert steps.scale == (1.0,)  # the network normalises inside
    assert main(["run", "bundle", "photo.png", "--utilization=0.25"]) == 0
    assert capsys.readouterr().out.count("digit 7") == 4  # from Python at three levels, and here


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=DOCS.parent, capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site/api/keras_tnn.html").read_text()
    assert "throttle" in page and "Example:" not in page


def test_every_public_name_is_in_the_reference():
    pages = "\n".join(path.read_text() for path in (DOCS / "api").glob("*.md"))
    shown = re.findall(r"^::: (\S+)", pages, re.MULTILINE)
    names = [f"keras_tnn.{name}" for name in tnn.__all__ if name != "throttling"]
    assert sorted(shown) == sorted([*names, "tnn_tflite", "tnn_tflite.policies"])
