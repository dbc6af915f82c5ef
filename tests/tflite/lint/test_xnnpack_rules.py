"""Operators outside XNNPACK are those that the interpreter keeps from it."""

from dataclasses import replace

import keras
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tiny_files import convolutions_file, layers_file, tflite_file
from tnn_tflite.lint import TARGETS, lint_graphs, read_operator_graph
from tnn_tflite.lint.xnnpack import SMALL

SHAPE = (1, 32, 32, 4)  # more than `SMALL` elements


def check(graph):
    return lint_graphs({1.0: graph}, TARGETS["xnnpack"])


def findings(content):
    return [(f.operator, f.rule) for f in check(read_operator_graph(content)) if f.fails]


CASES = {
    "tanh": (tf.tanh, True, True),
    "sigmoid": (tf.sigmoid, True, True),
    "leaky relu": (tf.nn.leaky_relu, True, True),
    "addition": (lambda x: x + tf.tanh(x), True, True),
    "max pooling": (lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), True, True),
    "average pooling": (lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"), True, False),
    "softmax": (tf.nn.softmax, True, False),
    "hard swish": (lambda x: x * tf.nn.relu6(x + 3) / 6, True, False),
    "relu": (lambda x: tf.nn.relu(x[:, 1:]), True, False),
    "padding": (lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), True, True),
    "rows": (lambda x: x[:, 1:9], True, True),
    "transposition": (lambda x: tf.transpose(x, (0, 2, 1, 3)), True, True),
    "mean": (lambda x: tf.reduce_mean(x, (1, 2)), True, True),
    "tiles": (lambda x: tf.tile(x, (1, 2, 1, 1)), False, False),
}


def handed_over(content):
    """Whether XNNPACK runs all: the interpreter then ends in one node that stands for them."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    names = [node["op_name"] for node in interpreter._get_ops_details()]
    kept = [name for name in names if name != "DELEGATE"]
    return names[len(kept) :] == ["DELEGATE"]


@pytest.mark.parametrize("kind", ["float32", "int8"])
@pytest.mark.parametrize("name", CASES)
def test_as_the_interpreter_does(name, kind):
    function, in_floats, in_integers = CASES[name]
    quantization = None if kind == "float32" else "int8"
    # With float ends there are operators that XNNPACK takes on both sides of one that it leaves.
    content = tflite_file(function, SHAPE, quantization, ends=tf.float32)
    taken = in_floats if kind == "float32" else in_integers
    assert (findings(content) == []) == taken
    if name != "tiles" or kind == "int8":  # alone it leaves no node to XNNPACK
        assert handed_over(content) == taken


def test_a_clean_network():
    assert list(check(read_operator_graph(convolutions_file()))) == []
    assert list(check(read_operator_graph(convolutions_file(quantization=None)))) == []


def test_what_makes_attention_slow_in_integers_is_named_with_its_cost():
    """A layer normalisation and the scores of attention, 64 positions of 32 channels."""

    def attend(x):
        x = x - tf.reduce_mean(x, -1, keepdims=True)
        x = x * tf.reduce_mean(tf.math.squared_difference(x, 0.1), -1, keepdims=True)
        return tf.nn.softmax(tf.matmul(x, x, transpose_b=True))

    def named(quantization):
        content = tflite_file(attend, (1, 64, 32), quantization, ends=tf.float32)
        found = [one for one in check(read_operator_graph(content)) if one.fails]
        return {one.operator: one.advice for one in found}

    assert named(None) == {}
    found = named("int8")
    assert {*found} == {"BATCH_MATMUL", "SOFTMAX", "SQUARED_DIFFERENCE"}
    assert "BATCH_MATMUL in a ViT took 14 times as long as in float32" in found["BATCH_MATMUL"]


def test_what_is_small_is_a_note():
    content = tflite_file(tf.nn.softmax, (1, SMALL))
    (note,) = check(read_operator_graph(content))
    assert (note.rule, note.fails) == ("small-operator", False)
    assert findings(tflite_file(tf.nn.softmax, (1, SMALL + 1))) == [("SOFTMAX", "operator")]


def test_16_bits_run_outside():
    graph = read_operator_graph(convolutions_file())
    x, *rest = graph.operators[1].tensors
    wide = replace(graph.operators[1], outputs=(replace(rest[0], type="INT16", shape=(1, 2000)),))
    (finding,) = check(replace(graph, operators=(wide,)))
    assert finding.advice.startswith("XNNPACK does not take it in int16")


def test_activations_biases_and_parts():
    graph = read_operator_graph(convolutions_file())
    convolution = graph.operators[0]
    x = convolution.inputs[0]
    bare = replace(convolution, inputs=(*convolution.inputs[:2], None))
    tanh = replace(convolution, options=dict(convolution.options, fusedActivationFunction=4))
    joined = replace(convolution, name="CONCATENATION", inputs=(x,) * 5, options={})
    parted = replace(convolution, name="SPLIT", inputs=(x,), outputs=(x,) * 5, options={})
    found = check(replace(graph, operators=(bare, tanh, joined, parted)))
    assert sorted(f.rule for f in found) == ["activation", "bias", "parts", "parts"]


def test_one_scale_for_a_kernel_is_a_note():
    graph = read_operator_graph(convolutions_file())
    x, kernel, bias = graph.operators[0].inputs
    coarse = replace(
        graph.operators[0], inputs=(x, replace(kernel, scales=kernel.scales[:1]), bias)
    )
    (note,) = check(replace(graph, operators=(coarse,)))
    assert (note.rule, note.fails) == ("weights", False)


def test_weights_stored_in_half_are_taken():
    content = layers_file(keras.layers.Conv2D(8, 3), quantization="float16")
    assert findings(content) == []
