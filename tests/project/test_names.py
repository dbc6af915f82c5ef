"""A public name means one thing, whichever room of either package it stands in."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("keras_tnn", "tflite/tnn_tflite")

# `main` starts a module. A device has no Keras, so tnn_tflite writes three small answers again.
TWICE = {"main", "aligned", "check_utilization", "ResultTable", "read_columns", "checked_suffix"}


def public_names(path: Path) -> list[str]:
    """The public classes and functions that a file defines at its top."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    kinds = (ast.ClassDef, ast.FunctionDef)
    return [x.name for x in nodes if isinstance(x, kinds) and not x.name.startswith("_")]


def test_no_public_name_is_defined_twice():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    count = Counter(name for path in files for name in public_names(path))
    assert {name for name, times in count.items() if times > 1} == TWICE
