"""docs/bundle.md says enough: a reader that was written from it gives the dispatcher's answers."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest

import second_reader
from golden.answers import FOLDER, SEGMENTS
from second_reader import SecondReader
from tnn_tflite import Dispatcher, read_bundle
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.quantized_values import quantize

DOCUMENT = Path(__file__).parents[2] / "docs" / "bundle.md"
BUNDLES = ["float_bundle", "int8_bundle", "integer_bundle"]
BUNDLES += ["single_bundle", "int8_single_bundle", "signatures_bundle"]


def test_the_second_reader_is_independent():
    tree = ast.parse(Path(second_reader.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert len(imports) == 8
    assert not [node for node in imports if "tnn_tflite" in ast.unparse(node)]


@pytest.mark.parametrize("name", BUNDLES)
def test_same_levels_and_same_answers(request, name):
    directory = request.getfixturevalue(name)
    bundle, dispatcher = read_bundle(directory), Dispatcher(directory)
    reader = SecondReader(directory, find_runtime().interpreter_class)
    x = np.random.default_rng(0).normal(size=(8, 8, 3)).astype("float32")
    for index, level in enumerate(bundle.levels):
        assert reader.read_level(index) == bundle.read_level(level)
    for utilization in (0.1, 0.5, 0.7, 1.0 - 1e-7, 1.0):
        level = dispatcher.level_for(utilization)
        assert bundle.levels.index(level) == reader.choose(utilization)
        expected = in_reals(dispatcher, level, x, utilization)
        np.testing.assert_array_equal(reader.run(x, utilization), expected)


def in_reals(dispatcher, level, x, utilization):
    """The dispatcher's answer in real numbers; integers are turned by the project's functions."""
    if not level.input_quantization:
        return dispatcher(x, utilization)
    (into,), (out,) = level.input_quantization, level.output_quantization
    q = dispatcher(quantize(x, into, "int8"), utilization)
    return out.scale * (q.astype(float) - out.zero_point)


def test_signatures_by_a_runtime_that_cannot_cut(signatures_bundle):
    dispatcher = Dispatcher(signatures_bundle)
    reader = SecondReader(signatures_bundle, find_runtime().interpreter_class)
    x = np.random.default_rng(0).normal(size=(8, 8, 3)).astype("float32")
    for level in dispatcher.levels:
        expected = dispatcher(x, level.utilization)
        np.testing.assert_array_equal(reader.run_signature(x, level.utilization), expected)


def test_the_manifest_in_the_document_has_the_keys_that_are_written(integer_bundle):
    text, segments = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    example = json.loads(text)
    written = json.loads((integer_bundle / "manifest.json").read_text())
    assert example.keys() == written.keys()
    assert example["programs"][0].keys() == written["programs"][0].keys()
    assert example["programs"][0]["inputs"][0].keys() == written["programs"][0]["inputs"][0].keys()
    example = json.loads(f"{{{segments}}}")
    written = json.loads((FOLDER / SEGMENTS / "manifest.json").read_text())
    assert example["edges"][0].keys() == written["edges"][0].keys()
    assert example["programs"][0].keys() - {"..."} <= written["programs"][0].keys()


def test_every_key_is_explained(integer_bundle, single_bundle):
    text = DOCUMENT.read_text()
    for directory in (integer_bundle, single_bundle):
        written = json.loads((directory / "manifest.json").read_text())
        program = written["programs"][0]
        keys = {*written, *program, *program["inputs"][0], *written.get("shared", {})}
        assert [key for key in sorted(keys) if f"`{key}`" not in text] == []
