"""Each rule of the Edge TPU is seen in a file that breaks it, and in no other."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tiny_files import convolutions_file, layers_file, tflite_file
from tnn_tflite.lint import TARGETS, lint_graphs, read_operator_graph
from tnn_tflite.lint.coral_compile import ON_CHIP
from tnn_tflite.lint.coral_operators import LIMITS
from tnn_tflite.lint.coral_versions import HIGHEST

CORAL = TARGETS["coral"]


def check(*graphs):
    """The findings of levels that were read, as (operator, rule) pairs."""
    levels = {(i + 1) / len(graphs): graph for i, graph in enumerate(graphs)}
    return [(f.operator, f.rule) for f in lint_graphs(levels, CORAL)]


def findings(content):
    return check(read_operator_graph(content))


@pytest.fixture(scope="module")
def clean():
    return read_operator_graph(convolutions_file())


def altered(graph, index, **changes):
    """The graph with one operator changed: what converters of other days may write."""
    operators = list(graph.operators)
    operators[index] = replace(operators[index], **changes)
    return replace(graph, operators=tuple(operators))


def altered_tensor(graph, index, place, **changes):
    inputs = list(graph.operators[index].inputs)
    inputs[place] = replace(inputs[place], **changes)
    return altered(graph, index, inputs=tuple(inputs))


def test_a_clean_network(clean):
    assert check(clean) == []


def test_an_operator_that_it_does_not_have():
    assert findings(layers_file(keras.layers.LeakyReLU())) == [("LEAKY_RELU", "operator")]


def test_what_stands_behind_runs_on_the_cpu_too():
    content = layers_file(
        keras.layers.Conv2D(8, 3), keras.layers.LeakyReLU(), keras.layers.MaxPooling2D(2)
    )
    assert findings(content) == [("LEAKY_RELU", "operator"), ("LEAKY_RELU", "one-segment")]


@pytest.mark.parametrize("name", ["CONV_2D", "MAX_POOL_2D", "MEAN"])
def test_a_version_that_the_compiler_cannot_read(clean, name):
    index = [op.name for op in clean.operators].index(name)
    assert check(altered(clean, index, version=HIGHEST[name])) == []
    newer = check(altered(clean, index, version=HIGHEST[name] + 1))
    assert newer == [(name, "operator-version")]


def test_versions_are_known_of_all_operators_that_it_has():
    assert set(LIMITS) <= set(HIGHEST)


def test_versions_that_users_were_refused():
    """CONV_2D 6, TRANSPOSE_CONV 4, QUANTIZE 3 and EXP 2 (see `coral_versions`)."""
    assert [HIGHEST[n] for n in ("CONV_2D", "TRANSPOSE_CONV", "QUANTIZE", "EXP")] == [5, 3, 2, 1]


def test_floats_inside():
    content = convolutions_file(quantization=None)
    assert findings(content)[0] == ("CONV_2D", "8-bit")


def test_floats_at_the_ends_are_a_note():
    graph = read_operator_graph(convolutions_file(ends=tf.float32))
    found = lint_graphs({1.0: graph}, CORAL)
    assert [(f.operator, f.rule) for f in found] == [
        ("QUANTIZE", "float-ends"),
        ("DEQUANTIZE", "float-ends"),
    ]
    assert not any(f.fails for f in found)


def test_an_axis_without_a_size(clean):
    assert ("CONV_2D", "static-shapes") in check(altered_tensor(clean, 0, 0, dynamic=True))


def test_a_kernel_that_is_computed():
    def function(x):
        return tf.nn.conv2d(x, tf.reshape(x[0, :2, :2], (2, 2, 4, 1)), 1, "SAME")

    assert ("CONV_2D", "constant-weights") in findings(tflite_file(function))


def test_a_batch_of_two():
    content = tflite_file(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), shape=(2, 8, 8, 4))
    assert findings(content) == [("MAX_POOL_2D", "batch-1-3-axes")]


def test_a_clip():
    content = tflite_file(lambda x: x + tf.tanh(x), shape=(1, 2, 8, 8, 4))
    assert ("TANH", "batch-1-3-axes") in findings(content)


def test_a_bias_that_is_no_vector(clean):
    assert check(altered_tensor(clean, 0, 2, shape=(1, 8))) == [("CONV_2D", "bias-vector")]


def test_a_dense_layer_with_a_scale_a_unit():
    content = layers_file(keras.layers.Dense(3), shape=(1, 8))
    assert findings(content) == [("FULLY_CONNECTED", "dense-scale")]
    graph = read_operator_graph(content)
    scale = graph.operators[0].inputs[1].scales[:1]
    assert check(altered_tensor(graph, 0, 1, scales=scale)) == []


def pool_with_activation(x):
    return tf.nn.relu(tf.nn.avg_pool2d(x, 2, 2, "VALID"))


LIMITED = {
    "pooling with an activation": (pool_with_activation, "AVERAGE_POOL_2D"),
    "softmax of an image": (tf.nn.softmax, "SOFTMAX"),
    "mean over 4 + 2 channels": (
        lambda x: tf.reduce_mean(tf.pad(x, [[0, 0]] * 3 + [[0, 2]]), -1),
        "MEAN",
    ),
    "padding of the batch": (lambda x: tf.pad(x, [[1, 0], [0, 0], [0, 0], [0, 0]]), "PAD"),
    "every second row": (lambda x: x[:, ::2], "STRIDED_SLICE"),
    "ones beside an image": (lambda x: tf.concat([x, tf.ones((1, 8, 8, 2))], -1), "CONCATENATION"),
}


@pytest.mark.parametrize("name", LIMITED)
def test_limits(name):
    function, operator = LIMITED[name]
    assert (operator, "limits") in findings(tflite_file(function))


WITHIN = {
    "mean over 4 channels": lambda x: tf.reduce_mean(x, -1),
    "mean over space": lambda x: tf.reduce_mean(x, (1, 2)),
    "padding of space": lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 0], [0, 0]]),
    "every row": lambda x: x[:, 2:5],
    "softmax of a vector": lambda x: tf.nn.softmax(tf.reduce_mean(x, (1, 2))),
    "two images": lambda x: tf.concat([x, tf.tanh(x)], -1),
}


@pytest.mark.parametrize("name", WITHIN)
def test_within_limits(name):
    assert findings(tflite_file(WITHIN[name])) == []


def test_softmax_of_too_many(clean):
    shape = (1, 16_001)
    tensor = replace(clean.outputs[0], shape=shape)
    softmax = replace(
        clean.operators[3],
        name="SOFTMAX",
        version=2,
        inputs=(tensor,),
        outputs=(tensor,),
        options={},
    )
    graph = replace(clean, operators=(softmax,))
    assert check(graph) == [("SOFTMAX", "limits")]
    short = replace(tensor, shape=(1, 16_000))
    assert check(altered(graph, 0, inputs=(short,), outputs=(short,))) == []


def test_dilation_that_differs(clean):
    options = dict(clean.operators[0].options, dilationHFactor=2)
    assert check(altered(clean, 0, options=options))[0] == ("CONV_2D", "limits")


def test_slopes_of_prelu():
    shared = layers_file(keras.layers.PReLU(shared_axes=[1, 2], alpha_initializer="ones"))
    single = layers_file(keras.layers.PReLU(alpha_initializer="ones"))
    assert findings(shared) == []
    assert findings(single) == [("PRELU", "limits")]


def test_memory_of_all_levels(clean):
    """The first two fill the memory, the third is read from outside: a note."""
    half = replace(clean, parameter_bytes=ON_CHIP // 2)
    assert check(half, half) == []
    found = lint_graphs({0.25: half, 0.5: half, 1.0: half}, CORAL)
    assert [(f.utilization, f.index, f.rule, f.fails) for f in found] == [
        (1.0, None, "8-MB", False)
    ]
    assert f"{3 * ON_CHIP // 2:,} with the levels before it" in found[0].advice


def test_constant_part_of_zeros(clean):
    """Real zeros are the zero point."""
    x = clean.operators[0].inputs[0]
    zeros = replace(
        x,
        bytes=4,
        constant=True,
        value=np.full(4, x.zero_points[0], "int8"),
        zero_points=x.zero_points,
    )
    joined = replace(
        clean.operators[1], name="CONCATENATION", inputs=(x, zeros), options={"axis": -1}
    )
    assert check(replace(clean, operators=(joined,))) == []
    ones = replace(zeros, value=zeros.value + 1)
    graph = replace(clean, operators=(replace(joined, inputs=(x, ones)),))
    assert check(graph) == [("CONCATENATION", "limits")]
