"""The base of all tables of results, in both packages."""

from pathlib import Path

import pytest

import keras_tnn.cost.result_table as module
from keras_tnn.cost.result_table import ResultTable, read_columns

ROOT = Path(__file__).parents[2]


class Names(ResultTable):
    def records(self):
        return [{"u": 0.5, "name": "a, b"}, {"u": 1, "name": "<c>", "ms": 2.5}]

    def lines(self):
        return [["u", "name"], ["0.5", "a, b"], ["1", "<c>"]]


def test_both_packages_have_the_same_file():
    here = Path(module.__file__).read_text(encoding="utf-8")
    there = ROOT / "tflite" / "tnn_tflite" / "result_table.py"
    assert there.read_text(encoding="utf-8") == here


def test_columns():
    assert Names().to_dict() == {"u": [0.5, 1], "name": ["a, b", "<c>"], "ms": [None, 2.5]}


def test_csv():
    assert Names().to_csv() == 'u,name,ms\n0.5,"a, b",\n1,<c>,2.5\n'


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_what_is_saved_is_read(tmp_path, suffix):
    path = tmp_path / f"names.{suffix}"
    Names().save(path)
    assert read_columns(path) == Names().to_dict()


def test_other_endings(tmp_path):
    with pytest.raises(ValueError, match="Expected a name that ends with .csv or .json"):
        Names().save(tmp_path / "names.xls")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(ValueError, match="Expected a table by columns"):
        read_columns(tmp_path / "list.json")


def test_a_notebook_shows_the_printed_cells():
    html = Names()._repr_html_()
    assert html.startswith("<table><thead><tr><th>u</th><th>name</th></tr></thead>")
    assert "<td>&lt;c&gt;</td>" in html
