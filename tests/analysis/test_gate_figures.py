"""Figures of learned gates hold the numbers that they were given."""

import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.analysis import (
    GatingRow,
    GatingTable,
    gate_histogram,
    gate_timeline,
    gating_figure,
)
from keras_tnn.gates import AlwaysOn, DataIndependent, Ensemble, Stochastic, Threshold
from keras_tnn.layers import ThrottleableDense


def row(gating, macs, accuracy, deviation=None):
    deviations = deviation and {"accuracy": deviation, "loss": 0.0}
    return GatingRow(
        gating, macs, macs / 400, macs / 500, 1.0, {"loss": 0.5, "accuracy": accuracy}, deviations
    )


@pytest.fixture
def table():
    return GatingTable(
        (
            row(Threshold(0.2), 300, 0.9),
            row(Threshold(0.4), 200, 0.8),
            row(Threshold(0.6), 200, 0.8),
            row(Stochastic(), 250, 0.7, deviation=0.02),
            row(AlwaysOn(), 400, 0.6),
            row(Ensemble(5), 1250, 0.95),
        )
    )


def bars(figure) -> list[int]:
    return [int(bar.get_height()) for bar in figure.axes[0].patches]


def test_histogram_counts_gates_in_twentieths():
    # 0.05 is the start of the second bin; 1 belongs to the last one.
    figure = gate_histogram({"a": np.array([0, 0.02, 0.05]), "b": np.array([0.52, 0.96, 1])})
    expected = [0] * 20
    expected[0], expected[1], expected[10], expected[19] = 2, 1, 1, 2
    assert bars(figure) == expected
    assert [bar.get_x() for bar in figure.axes[0].patches] == pytest.approx(np.arange(20) / 20)
    assert figure.axes[0].get_title(loc="left") == "6 gates, 67 % polarized"
    colors = {bar.get_facecolor() for bar in figure.axes[0].patches[1:-1]}
    assert len(colors) == 1 and figure.axes[0].patches[0].get_facecolor() not in colors


def test_histogram_of_a_model_is_of_its_probabilities():
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    gate = DataIndependent(4, min_groups=1)
    x = ThrottleableDense(8, num_groups=4)([image, gate(u)])
    model = tnn.ThrottledModel([image, u], x)
    model.compile(loss="mse")
    with pytest.raises(ValueError, match="have not seen data"):
        gate_histogram(model)
    gate.pairs.assign(np.log([[0.78, 0.22], [0.28, 0.72], [0.03, 0.97]]))
    model.evaluate(np.ones((2, 4)), np.ones((2, 8)), verbose=0)
    figure = gate_histogram(model)
    # p = 0.22, 0.72, 0.97; evaluation opened the gates at rates of 0, 1 and 1.
    assert [i for i, height in enumerate(bars(figure)) if height] == [4, 14, 19]
    assert figure.axes[0].get_xlabel() == "mean probability of being open"


def test_histogram_needs_learned_gates():
    model = tnn.models.VGG((8, 8, 3), 4, num_groups=2, filters=((4,),), dense_units=None)
    with pytest.raises(ValueError, match="Invalid value for `gates`"):
        gate_histogram(model)


EPOCHS = [
    {"first": np.array([0.9, 0.8]), "none": np.array([]), "last": np.array([0.7])},
    {"first": np.array([1.0, 0.2]), "none": np.array([]), "last": np.array([0.1])},
]


@pytest.mark.parametrize("kind", ["list", "dictionary", "history"])
def test_timeline_has_a_row_a_group_and_a_column_an_epoch(kind):
    history = keras.callbacks.History()
    history.history = {"loss": [1.0, 0.5], "gate_rates": EPOCHS}
    given = {"list": EPOCHS, "dictionary": history.history, "history": history}[kind]
    axes = gate_timeline(given).axes[0]
    (picture,) = axes.images
    assert picture.get_array().tolist() == [[0.9, 1.0], [0.8, 0.2], [0.7, 0.1]]
    assert picture.get_clim() == (0, 1)
    assert picture.get_extent() == [0.5, 2.5, 3, 0]  # epochs from 1, the first group on top
    names = [
        (x.get_text(), y) for x, y in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
    ]
    assert names == [("first", 1.0), ("last", 2.5)]  # in the middle of each gate's rows


def test_timeline_of_many_gates_names_some():
    epochs = [{f"gate{i}": np.array([0.5]) for i in range(100)}]
    figure = gate_timeline(epochs)
    assert len(figure.axes[0].get_yticks()) == 34  # every third
    assert figure.get_figheight() == 9


@pytest.mark.parametrize("history", [[], {"loss": [1.0]}, keras.callbacks.History()])
def test_timeline_needs_rates(history):
    with pytest.raises(ValueError, match="Expected 'gate_rates'"):
        gate_timeline(history)


def test_thresholds_are_a_curve_with_tau_at_each_point(table):
    axes = gating_figure(table).axes[0]
    curves = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert curves["threshold τ"] == [[300, 0.9], [200, 0.8], [200, 0.8]]
    assert curves["always on"] == [[400, 0.6]]
    assert curves["ensemble of 5 (1.25 k MACs)"] == [[0, 0.95], [1, 0.95]]  # all across
    assert [(x.get_text(), x.xy) for x in axes.texts] == [
        ("0.2", (300, 0.9)),
        ("0.4 to 0.6", (200, 0.8)),
    ]


def test_what_is_drawn_has_its_deviation(table):
    (point,) = gating_figure(table).axes[0].containers
    assert point.lines[0].get_xydata().tolist() == [[250, 0.7]]
    (bar,) = point.lines[2]
    np.testing.assert_allclose(bar.get_segments(), [[[250, 0.68], [250, 0.72]]])


def test_without_macs_the_activation_rate_takes_their_place(table):
    rows = tuple(replace(one, macs=None, share=None) for one in table.rows)
    axes = gating_figure(GatingTable(rows, "no rule"), "loss").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("activation rate", "loss")
    assert axes.get_lines()[0].get_xydata()[0].tolist() == [0.6, 0.5]
    assert [x.get_text() for x in axes.get_legend().texts][-2:] == ["ensemble of 5", "stochastic"]


def test_saves_a_picture(table, tmp_path):
    table.plot(tmp_path / "gating.png")
    content = (tmp_path / "gating.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 10_000  # an empty canvas compresses to less


def test_unknown_metric_of_a_gating_figure(table):
    with pytest.raises(ValueError, match="Invalid value for `metric`"):
        table.plot(metric="precision")


def test_gate_figures_without_matplotlib(monkeypatch):
    # None in sys.modules is Python's own way to make an import fail.
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install keras-tnn\[plot\]"):
        gate_timeline(EPOCHS)
