"""Every table of results gives its numbers: as columns, as CSV, and as a view in notebooks."""

import keras
import numpy as np
import pytest

from keras_tnn.analysis import (
    BudgetRow,
    BudgetTable,
    Choices,
    ChoicesTable,
    ExitRow,
    ExitTable,
    GatingRow,
    GatingTable,
    LevelRow,
    LevelTable,
    Outcomes,
)
from keras_tnn.cost import cost_table
from keras_tnn.cost.result_table import read_columns
from keras_tnn.gates import AlwaysOn, Threshold

METRICS = {"loss": 0.25, "accuracy": 0.75}


def levels():
    rows = [LevelRow(u, 1, 2, 100, 10, METRICS, METRICS, 1e-6) for u in (0.5, 1.0)]
    return LevelTable(tuple(rows), samples=20, chance=0.1)


def gating():
    spread = {"loss": 0.1, "accuracy": 0.2}
    return GatingTable(
        (
            GatingRow(Threshold(0.5), 100, 0.5, 0.5, 1.0, METRICS, spread),
            GatingRow(AlwaysOn(), 200, 1.0, 1.0, 1.0, METRICS),
        )
    )


def choices():
    answers = np.array([[[0.6, 0.4], [0.2, 0.8]], [[0.9, 0.1], [0.6, 0.4]]])
    outcomes = Outcomes((0.5, 1.0), answers, np.array([1, 0]), (25, 100), (1e-6, 4e-6))
    one = Choices("image", np.array([0, 1]), np.array([True, False]), np.array([0.25, 1.0]))
    return ChoicesTable(outcomes, (one,), (one,), one)


def costs():
    layers = [keras.Input((8,)), keras.layers.Dense(4), keras.layers.ReLU()]
    return cost_table(keras.Sequential(layers))


TABLES = {
    "levels": levels,
    "gating": gating,
    "choices": choices,
    "costs": costs,
    "exits": lambda: ExitTable((ExitRow("early", 10.0, 0.1, 1e-6, METRICS, 0.5),)),
    "budgets": lambda: BudgetTable((BudgetRow(0.5, 0.5, 10.0, 0.5, 0.6, 3, METRICS),)),
}


@pytest.mark.parametrize("name", TABLES)
def test_columns_csv_and_html(name, tmp_path):
    table = TABLES[name]()
    columns = table.to_dict()
    count = len(table.records())
    assert count and all(len(values) == count for values in columns.values())
    assert not any(isinstance(value, dict) for values in columns.values() for value in values)
    assert len(table.to_csv().splitlines()) == count + 1
    table.save(tmp_path / "table.csv")
    assert list(read_columns(tmp_path / "table.csv")) == list(columns)
    table.save(tmp_path / "table.json")
    html = table._repr_html_()
    assert html.count("<tr>") == len(table.lines())
    assert all(f"<th>{cell}</th>" in html for cell in table.lines()[0])


def test_the_numbers_of_levels():
    columns = levels().to_dict()
    assert columns["utilization"] == [0.5, 1.0]
    assert columns["accuracy"] == columns["vanilla_accuracy"] == [0.75, 0.75]
    assert columns["samples"] == [20, 20] and columns["chance"] == [0.1, 0.1]


def test_deviations_of_gating():
    columns = gating().to_dict()
    assert columns["gating"] == [str(Threshold(0.5)), str(AlwaysOn())]
    assert columns["deviation_of_accuracy"] == [0.2, None]
