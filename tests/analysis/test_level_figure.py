"""The figure: its curves hold the table's numbers, and drawing touches nothing global."""

import sys
from dataclasses import replace

import pytest

from keras_tnn.analysis import GatingRow, GatingTable, LevelRow, LevelTable, level_figure
from keras_tnn.analysis.canvas import blank_figure
from keras_tnn.gates import Threshold


@pytest.fixture
def table():
    values = ((0.5, 100, 0.6, 0.3), (1.0, 400, 0.8, 0.9))
    return LevelTable(
        tuple(LevelRow(u, 0, 0, m, 0, {"accuracy": a}, {"accuracy": b}) for u, m, a, b in values)
    )


def test_curves_hold_the_table(table):
    panels = table.plot().axes
    for axes, x in zip(panels, ([0.5, 1.0], [100, 400]), strict=True):
        curves = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
        assert curves == {
            "throttled": [[x[0], 0.6], [x[1], 0.8]],
            "vanilla, cut": [[x[0], 0.3], [x[1], 0.9]],
        }


def test_without_vanilla_one_curve_a_panel():
    rows = [LevelRow(u, 0, 0, 1, 0, {"accuracy": u}) for u in (0.5, 1.0)]
    assert [len(axes.get_lines()) for axes in LevelTable(tuple(rows)).plot().axes] == [1, 1]


def test_saves_a_picture(table, tmp_path):
    table.plot(tmp_path / "levels.png")
    content = (tmp_path / "levels.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 10_000  # an empty canvas compresses to less


def test_unknown_metric(table):
    with pytest.raises(ValueError, match="Invalid value for `metric`"):
        table.plot(metric="precision")


def test_no_figure_is_left_in_pyplot(table):
    from matplotlib import pyplot

    table.plot()
    assert pyplot.get_fignums() == []


def test_without_matplotlib(table, monkeypatch):
    # None in sys.modules is Python's own way to make an import fail.
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install keras-tnn\[plot\]"):
        table.plot()


def curves(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}


def test_costs_are_logarithmic_and_levels_stand_beside_them(table):
    against_u, against_macs = table.plot().axes
    assert (against_u.get_xscale(), against_macs.get_xscale()) == ("linear", "log")
    assert [(one.get_text(), one.xy) for one in against_macs.texts] == [
        ("0.5", (100, 0.6)),
        ("1", (400, 0.8)),
    ]


def test_samples_chance_and_what_was_trained_alone(table):
    known = replace(table, samples=1234, chance=0.25)
    axes = known.plot(baseline={1.0: 0.85}, data="digits", against="utilization").axes[0]
    assert axes.get_title(loc="left") == "digits, 1,234 samples"
    assert curves(axes)["chance"] == [[0, 0.25], [1, 0.25]]  # all across
    assert curves(axes)["each size alone"] == [[1.0, 0.85]]
    columns = {**known.to_dict(), "loss": [2.0, 1.0]}
    assert "chance" not in curves(level_figure(columns, "loss").axes[0])
    with pytest.raises(ValueError, match=r"Expected levels of \[0.5, 1.0\]. Received: \[0.7\]"):
        table.plot(baseline={0.7: 0.9})


def test_milliseconds_and_bytes_where_they_are_known(table):
    columns = {**table.to_dict(), "milliseconds": [1.0, 3.0], "bytes": [1000, 4000]}
    figure = level_figure(columns, "accuracy")
    assert [axes.get_xlabel().split()[0] for axes in figure.axes] == [
        "utilization",
        "multiply-accumulates",
        "milliseconds",
        "bytes",
    ]
    assert curves(figure.axes[2])["throttled"] == [[1.0, 0.6], [3.0, 0.8]]
    with pytest.raises(ValueError, match="Expected some of .*Received: against='milliseconds'"):
        table.plot(against="milliseconds")


def test_a_row_of_a_controller_is_not_drawn():
    columns = {"utilization": [0.5, 1.0, None], "macs": [1, 4, 2], "accuracy": [0.6, 0.8, None]}
    assert curves(level_figure(columns).axes[1])["levels"] == [[1, 0.6], [4, 0.8]]


def test_levels_and_gates_on_the_same_axes(table):
    (axes,) = blank_figure(4, 3).subplots(1, 1, squeeze=False)[0]
    gates = GatingTable(
        (GatingRow(Threshold(0.5), 200, 0.5, 0.5, 1.0, {"loss": 0.1, "accuracy": 0.7}),), samples=9
    )
    table.plot(ax=axes, label="levels of u", data="digits")
    assert gates.plot(ax=axes) is axes.figure
    assert curves(axes)["levels of u"] == [[100, 0.6], [400, 0.8]]
    assert curves(axes)["threshold τ"] == [[200, 0.7]]
    assert axes.get_title(loc="left") == "digits"
    with pytest.raises(ValueError, match="Invalid value for `ax`. Expected None for 2 panels"):
        table.plot(ax=axes, against=("utilization", "macs"))
