"""What tflite-micro would refuse is found, and what it runs is not."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tiny_files import convolutions_file, layers_file, tflite_file
from tnn_tflite.lint import TARGETS, lint_graphs, read_operator_graph
from tnn_tflite.lint.micro_operators import METHODS


def findings(content):
    found = lint_graphs({1.0: read_operator_graph(content)}, TARGETS["micro"])
    return [(f.operator, f.rule) for f in found if f.fails]


def notes(content):
    found = lint_graphs({1.0: read_operator_graph(content)}, TARGETS["micro"])
    return {f.rule for f in found if not f.fails}


def opens(content):
    """Whether tflite-micro itself opens the file; some errors would end this process."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    try:
        runtime.Interpreter.from_bytes(content, arena_size=1_000_000)
    except RuntimeError:
        return False
    return True


def sequence(x):
    return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.sin(x), lambda: tf.cos(x))


GOOD = {
    "int8": convolutions_file,
    "float32": lambda: convolutions_file(quantization=None),
    "float ends": lambda: convolutions_file(ends=tf.float32),
    "a branch": lambda: tflite_file(sequence, quantization=None),
    "dense": lambda: layers_file(keras.layers.Dense(4), shape=(1, 8)),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_runs_is_clean(name):
    content = GOOD[name]()
    assert findings(content) == []
    assert opens(content)


def gathered(positions):
    return tflite_file(lambda x: tf.gather(x, positions, axis=-1), quantization=None)


GOOD["positions of 32 bits"] = lambda: gathered(np.array([2, 0], "int32"))

BAD = {
    "positions of 64 bits": (lambda: gathered(np.array([2, 0], "int64")), "positions"),
    "an unknown operator": (lambda: tflite_file(tf.nn.gelu, quantization=None), "operator"),
    "weights in half": (lambda: convolutions_file(quantization="float16"), "types"),
    "floats times integers": (
        lambda: layers_file(keras.layers.Dense(64), shape=(1, 64), quantization="dynamic"),
        "hybrid",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_run_is_found(name):
    make, rule = BAD[name]
    content = make()
    assert rule in {found for _, found in findings(content)}
    assert not opens(content)


def test_unsigned_numbers():
    content = convolutions_file(ends=tf.uint8)
    assert findings(content) == []  # converted where they come in and go out
    graph = read_operator_graph(content)
    pooling = next(op for op in graph.operators if op.name == "MAX_POOL_2D")
    unsigned = replace(pooling, outputs=(replace(pooling.outputs[0], type="UINT8"),))
    found = lint_graphs({1.0: replace(graph, operators=(unsigned,))}, TARGETS["micro"])
    assert [(f.operator, f.rule) for f in found] == [("MAX_POOL_2D", "types")]


def test_an_axis_without_a_size():
    content = tflite_file(tf.tanh, shape=(None, 4), quantization=None)
    assert findings(content) == [("TANH", "static-shapes")]


def test_floats_are_a_note():
    assert notes(convolutions_file(quantization=None)) == {"float32"}
    assert notes(convolutions_file(ends=tf.float32)) == set()


def test_methods_are_spelled_as_in_tflite_micro():
    """The irregular ones among the names in micro_mutable_op_resolver.h."""
    expected = {
        "CONV_2D": "AddConv2D",
        "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
        "AVERAGE_POOL_2D": "AddAveragePool2D",
        "BATCH_TO_SPACE_ND": "AddBatchToSpaceNd",
        "BATCH_MATMUL": "AddBatchMatMul",
        "CUMSUM": "AddCumSum",
        "PADV2": "AddPadV2",
        "RELU6": "AddRelu6",
        "SPLIT_V": "AddSplitV",
        "SELECT_V2": "AddSelectV2",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
    }
    assert {name: METHODS[name] for name in expected} == expected
    assert len(METHODS) == len(set(METHODS.values())) == 100
