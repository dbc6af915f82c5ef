"""The code in docs/ runs and does what the text says."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_tnn as tnn

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


# The guide says why gates of u are converted without calibration data.
@pytest.mark.filterwarnings("ignore:The model has batch normalization:UserWarning")
def test_the_guide_to_learned_gates_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / "gates.md").read_text(), re.DOTALL):
        exec(code, names)
    assert tnn.count_macs(names["pruned"]) <= tnn.count_macs(names["network"])
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
