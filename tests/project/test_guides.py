"""The guides run on scikit-learn's digits, and come to what they say."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_tnn as tnn
import tnn_tflite

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Runs the Python of a page in an empty folder; gives the names that it made."""
    monkeypatch.chdir(tmp_path)

    def run(page, without=()):
        names = {}
        text = (DOCS / page).read_text(encoding="utf-8")
        for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            if not any(word in code for word in without):
                exec(code, names)
        return names

    return run


def test_fine_tune(follow):
    names = follow("guides/fine_tune.md")
    found = names["found"]
    untrained = found.pop("not at all")
    for accuracies in found.values():
        assert accuracies[0] > untrained[0] + 0.2
        assert min(accuracies) > 0.8
    assert "val_accuracy_at_0.25" in names["history"].history
    assert Path("best.keras").exists()


def test_own_gate(follow):
    names = follow("guides/own_gate.md")
    model, again = names["model"], names["again"]
    sizes = [tnn.count_macs(model, u) for u in (0.5, 0.8, 1.0)]
    assert sizes[0] == sizes[1] < sizes[2]
    x = names["x"][:4]
    answers = [one.predict(x, utilization=0.3, verbose=0) for one in (model, again)]
    assert abs(answers[0] - answers[1]).max() < 1e-6
    assert names["score"]["accuracy"] > 0.8


def test_own_rule(follow, capsys):
    names = follow("guides/own_rule.md")
    assert "8 of 32" in capsys.readouterr().out
    x, u = names["x"][:4], np.full(4, 0.25, "float32")
    # the same sums in another order; float32, five layers
    np.testing.assert_allclose(names["level"](x), names["model"]([x, u]), atol=1e-4)


def test_ship_to(follow):
    names = follow("guides/ship_to.md")
    y, answers = names["y_test"], names["answers"]
    assert all((answer == y).mean() > 0.8 for answer in answers.values())
    levels = tnn_tflite.Dispatcher("android").levels
    assert [level.name for level in levels] == ["u0.25", "u1.0"]
    assert not names["report"].failed


def test_ecosystem(follow):
    names = follow("ecosystem.md", without=["keras_tuner"])
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = Path("logs/validation").iterdir()
    curves = EventAccumulator(str(events), size_guidance={"tensors": 0}).Reload().Tags()["tensors"]
    assert {"epoch_accuracy_at_0.25", "epoch_accuracy_at_1"} <= set(curves)
    level = names["level"]
    level.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    cut = tnn.materialize(names["dialled"](), 0.25)
    cut.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    scores = [one.evaluate(names["x_test"], names["y_test"], verbose=0)[1] for one in (cut, level)]
    assert scores[1] > scores[0] + 0.2  # what the distiller taught
    with pytest.raises(ValueError, match="expected: 1, got: 2"):
        keras.distillation.Distiller(
            teacher=names["plain"],
            student=names["dialled"](),
            distillation_losses=keras.distillation.LogitsDistillation(),
        )


# Keras says it of every model whose weights KerasTuner keeps.
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within KerasTuner
def test_keras_tuner_searches_for_a_level(follow):
    pytest.importorskip("keras_tuner", reason="KerasTuner is not here")
    names = follow("ecosystem.md")
    assert {trial.score > 0.5 for trial in names["tuner"].oracle.get_best_trials(2)} == {True}
    best = names["tuner"].get_best_models()[0]
    assert isinstance(best, tnn.ThrottledModel)
