"""The table of exits says what evaluate and the cost table say of each exit."""

import re

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.analysis import ExitRow, ExitTable, evaluate_exits

X, Y = np.random.default_rng(0).normal(size=(12, 8, 8, 3)).astype("float32"), np.arange(12) % 3


def compiled(model):
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def plain():
    network = tnn.models.ResNet((8, 8, 3), 3, depth=8, width=4, throttled=False)
    return compiled(tnn.add_exits(network, at=["stem_relu", "stage2_block1_relu"]))


@pytest.fixture(scope="module")
def dialled():
    network = tnn.models.VGG(
        (8, 8, 3), 3, num_groups=4, filters=((8, 8), (16,)), dense_units=None,
        batch_normalization=False,
    )  # fmt: skip
    return compiled(tnn.add_exits(network, at=["conv1_1_gate"]))


def test_rows_agree_with_evaluate_and_costs(plain):
    table = evaluate_exits(plain, X, Y)
    costs, energies = plain.exit_costs(), plain.exit_costs("energy")
    for row in table.rows:
        logs = plain.evaluate(X, Y, exit=row.exit, verbose=0, return_dict=True)
        assert row.metrics == pytest.approx(logs, rel=1e-5)
        assert (row.macs, row.energy) == (costs[row.exit], pytest.approx(energies[row.exit]))
        assert row.share == row.macs / costs["predictions"]
    assert [row.exit for row in table.rows] == [*plain.exit_names]


@pytest.mark.filterwarnings("ignore:The model has batch normalization:UserWarning")
def test_levels_and_exits_are_operating_points(dialled):
    table = evaluate_exits(dialled, X, Y, levels=(0.5, 1.0))
    assert [(row.utilization, row.exit) for row in table.rows] == [
        (u, name) for u in (0.5, 1.0) for name in dialled.exit_names
    ]
    for row in table.rows:
        arguments = {"utilization": row.utilization, "exit": row.exit, "return_dict": True}
        logs = dialled.evaluate(X, Y, verbose=0, **arguments)
        assert row.metrics == pytest.approx(logs, rel=1e-3)
    assert table.rows[-1].share == 1.0 and table.rows[1].share < 0.5


def table_of(levels):
    return ExitTable(
        tuple(
            ExitRow(name, macs, macs / 4000, 1e-6, {"loss": 0.5, "accuracy": macs / 8000}, u)
            for u in levels
            for name, macs in (("exit1", 1000), ("exit2", 2000), ("classes", 4000))
        )
    )


def test_text():
    assert str(table_of([None])).splitlines() == [
        "exit       MACs  share   energy  accuracy    loss",
        "exit1    1.00 k  0.250  1.00 µJ    0.1250  0.5000",
        "exit2    2.00 k  0.500  1.00 µJ    0.2500  0.5000",
        "classes  4.00 k  1.000  1.00 µJ    0.5000  0.5000",
    ]
    assert str(table_of([0.5])).splitlines()[1].split()[:3] == ["exit1", "0.5", "1.00"]


def test_figure_holds_the_table(tmp_path):
    pytest.importorskip("matplotlib")
    (axes,) = table_of([0.5, 1.0]).plot(tmp_path / "exits.png").axes
    curve = [[1000, 0.125], [2000, 0.25], [4000, 0.5]]
    assert [line.get_xydata().tolist() for line in axes.get_lines()] == [curve, curve]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["u=1", "u=0.5"]
    assert (tmp_path / "exits.png").stat().st_size > 10_000


def test_what_cannot_be(plain):
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="Expected a compiled model with exits"):
        evaluate_exits(network, X, Y)
    with pytest.raises(ValueError, match="Invalid value for `levels`. .* has no dial"):
        evaluate_exits(plain, X, Y, levels=(0.5,))
    with pytest.raises(ValueError, match="which can be read once a level"):
        evaluate_exits(plain, iter([(X, Y)]))
    with pytest.raises(ValueError, match=re.escape("Expected one of ['accuracy', 'loss']")):
        table_of([None]).plot(metric="recall")
