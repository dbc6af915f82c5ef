"""The figure: its curves hold the table's numbers, and drawing touches nothing global."""

import sys

import pytest

from keras_tnn.analysis import LevelRow, LevelTable


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
