"""What LiteRT.js would not load is found; tests/js runs the rest there."""

from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from tiny_files import convolutions_file, tflite_file
from tnn_tflite.lint import TARGETS, lint, lint_graphs, read_operator_graph

SEGMENTS = Path(__file__).parents[2] / "reliability" / "golden" / "version_3_segments"


def findings(content):
    return lint_graphs({1.0: read_operator_graph(content)}, TARGETS["web"])


@pytest.mark.parametrize("ends", [tf.float32, tf.uint8])
def test_what_runs_is_clean(ends):
    assert findings(convolutions_file(ends=ends)) == ()


def test_integers_of_8_bits_with_a_sign():
    found = findings(convolutions_file())
    assert [(one.rule, one.fails) for one in found] == [("tensors", True)] * 2
    assert "is int8, which LiteRT.js does not load. Convert with inference" in found[0].advice


def test_numbers_that_stand_for_no_reals():
    found = findings(tflite_file(lambda x: tf.argmax(x, -1), quantization=None))
    assert [one.rule for one in found if one.fails] == ["tensors"]
    assert "is int64, which LiteRT.js does not load. Give the network a Cast" in found[-1].advice


def test_custom_operators():
    graph = read_operator_graph(convolutions_file(quantization=None))
    custom = replace(graph.operators[0], name="FlexErf")
    found = lint_graphs({1.0: replace(graph, operators=(custom,))}, TARGETS["web"])
    assert [(one.operator, one.rule) for one in found if one.fails] == [("FlexErf", "custom")]


def test_kernels_that_are_slow_are_noted():
    found = findings(tflite_file(tf.sin, shape=(1, 64, 64), quantization=None))
    assert [(one.operator, one.rule, one.fails) for one in found] == [("SIN", "slow-kernel", False)]


def test_programs_that_are_not_run():
    report = lint(SEGMENTS, "web")
    assert {one.rule for one in report.findings if one.fails} == {"role"}
    assert len(report.findings) == 3
