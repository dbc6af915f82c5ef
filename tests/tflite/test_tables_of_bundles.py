"""Tables of tnn_tflite as numbers and as a view in notebooks, and what a dispatcher says it is."""

import pytest

from tnn_tflite import (
    BundleComparison,
    BundlePair,
    BundleRow,
    BundleTable,
    ComparedLevel,
    Comparison,
    DeviceTable,
    Dispatcher,
)
from tnn_tflite.latency.table import Conditions, LevelMeasurement
from tnn_tflite.lint.linter import Report
from tnn_tflite.lint.operator_rule import Finding

LOW = BundleRow(0.5, None, 100, 10, 1000, "low.tflite", 1.5, 0.8)
CONTROLLER = BundleRow(None, "controller", 5, 1, 200, "controller.tflite")

TABLES = {
    "bundle": BundleTable((LOW, CONTROLLER), samples=20, chance=0.1),
    "pair": BundleComparison((BundlePair(0.5, 1.0, 0.01, None, None, 1000, 300, 1.5, 1.0),)),
    "comparison": Comparison((ComparedLevel(0.5, 100, 1.0, 1e-6, 0.8, 0.8, 1000, 1.5),)),
    "device": DeviceTable(
        Conditions("00", "ai_edge_litert", 1, None, "a phone"), (LevelMeasurement(0.5, 1.5, 2.0),)
    ),
    "lint": Report("coral", (Finding(0.5, 0, "MEAN", "8-bit", "'x' is float32."),), 1, "", "much"),
}


@pytest.mark.parametrize("name", TABLES)
def test_columns_csv_and_html(name):
    table = TABLES[name]
    count = len(table.records())
    assert count and all(len(values) == count for values in table.to_dict().values())
    assert len(table.to_csv().splitlines()) == count + 1
    assert table._repr_html_().count("<tr>") == len(table.lines())
    assert table.lines()[0][0] in str(table)


def test_bounds_on_what_is_known(capsys):
    table = TABLES["bundle"]
    assert [row.utilization for row in table.fitting(accuracy=0.7, bytes=1000)] == [0.5]
    assert table.fitting(accuracy=0.9) == () == table.fitting(milliseconds=1.0)
    unknown = BundleTable((BundleRow(0.5, None, 100, 10, 1000, "low.tflite"),))
    with pytest.raises(ValueError, match="Expected None, as the accuracy of the levels is not"):
        unknown.fitting(accuracy=0.9)


def test_what_a_dispatcher_says_it_is(shared_bundle, controlled_bundle):
    one = Dispatcher(shared_bundle, num_threads=2)
    assert repr(one) == (
        f"Dispatcher('{shared_bundle}', levels=(0.25, 0.5, 1), runtime={one.runtime!r}, "
        "num_threads=2)"
    )
    assert "levels=(0.25, 0.5, 1), controller, runtime=" in repr(Dispatcher(controlled_bundle))
