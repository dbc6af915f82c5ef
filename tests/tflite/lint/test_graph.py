"""What is read from a TFLite file is what was put in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tiny_files import convolutions_file, layers_file, tflite_file
from tnn_tflite.lint import read_operator_graph


@pytest.fixture(scope="module")
def graph():
    return read_operator_graph(convolutions_file())


def test_operators_in_order(graph):
    names = [operator.name for operator in graph.operators]
    assert names == ["CONV_2D", "MAX_POOL_2D", "CONV_2D", "MEAN"]
    assert [operator.index for operator in graph.operators] == [0, 1, 2, 3]


def test_shapes_and_types(graph):
    """A 3x3 kernel without padding takes 8x8 to 6x6, pooling to 3x3."""
    convolution = graph.operators[0]
    shapes = [tensor.shape for tensor in convolution.tensors]
    assert shapes == [(1, 8, 8, 4), (8, 3, 3, 4), (8,), (1, 6, 6, 8)]
    assert [tensor.type for tensor in convolution.tensors] == ["INT8", "INT8", "INT32", "INT8"]
    assert [tensor.shape for tensor in graph.outputs] == [(1, 12)]


def test_constants_and_scales(graph):
    x, kernel, bias, y = graph.operators[0].tensors
    assert [tensor.constant for tensor in (x, kernel, bias, y)] == [False, True, True, False]
    assert graph.operators[0].activations == (x, y)
    assert kernel.bytes == 8 * 3 * 3 * 4 and kernel.value.dtype == np.int8
    assert len(kernel.scales) == 8 and len(x.scales) == len(y.scales) == 1
    # int8 kernels are symmetric, and each channel's largest weight is 127 or -127.
    assert set(np.abs(kernel.value).max(axis=(1, 2, 3))) == {127}
    assert set(kernel.zero_points) == {0}


def test_options_and_constant_axes(graph):
    assert graph.operators[0].options["fusedActivationFunction"] == 1  # RELU
    assert sorted(graph.operators[3].inputs[1].value) == [1, 2]


def test_parameter_bytes(graph):
    """Two kernels, their biases of 4 bytes a channel, and the two axes of the mean."""
    assert graph.parameter_bytes == (3 * 3 * 4 * 8 + 8 * 4) + (8 * 12 + 12 * 4) + 2 * 4


def test_a_constant_that_is_read_twice_counts_once():
    """The kernel, a bias for each use of it, and begin, end and strides of four axes."""
    layer = keras.layers.Conv2D(8, 3)
    layer.build((None, 8, 8, 4))
    content = tflite_file(
        lambda x: layer(x) * layer(x[:, ::-1]), weights=[w.value for w in layer.weights]
    )
    assert read_operator_graph(content).parameter_bytes == 3 * 3 * 4 * 8 + 2 * 8 * 4 + 3 * 4 * 4


def test_an_axis_that_is_not_fixed():
    graph = read_operator_graph(tflite_file(tf.nn.relu, shape=(None, 4), quantization=None))
    assert graph.inputs[0].dynamic
    assert (
        not read_operator_graph(tflite_file(tf.nn.relu, shape=(1, 4), quantization=None))
        .inputs[0]
        .dynamic
    )


def test_branches_are_read_too():
    def function(x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.sin(x), lambda: tf.cos(x))

    graph = read_operator_graph(tflite_file(function, quantization=None))
    main = [op.name for op in graph.operators if op.subgraph == 0]
    assert "IF" in main
    assert {op.name for op in graph.operators if op.subgraph > 0} == {"SIN", "COS"}


def test_weights_in_half():
    content = layers_file(keras.layers.Conv2D(8, 3), quantization="float16")
    kernels = [op for op in read_operator_graph(content).operators if op.name == "DEQUANTIZE"]
    assert {op.inputs[0].type for op in kernels} == {"FLOAT16"}


@pytest.mark.parametrize("content", [b"", b"TFL3", bytes(100), b"\xff" * 64, b"a" * 1000])
def test_bytes_that_are_no_file(content):
    with pytest.raises(ValueError, match="Expected the bytes of a TFLite file"):
        read_operator_graph(content)


def test_a_file_that_is_cut_off():
    content = convolutions_file()
    with pytest.raises(ValueError, match="Expected the bytes of a TFLite file"):
        read_operator_graph(content[: len(content) // 2])
