"""Bytes that a call stores and moves, counted value by value."""

import keras
import pytest
from keras import layers, ops

from keras_tnn.cost import layer_costs


def last_cost(function, *shapes, dtype=None):
    inputs = [keras.Input(shape, dtype=dtype) for shape in shapes]
    return layer_costs(keras.Model(inputs, function(*inputs)))[-1]


VALUES = 8 * 8 * 4
PASSING = {
    "relu": layers.ReLU(),
    "batch_norm": layers.BatchNormalization(),
    "dropout": layers.Dropout(0.5),
    "flatten": layers.Flatten(),
    "relu_operation": ops.relu,
    "reshape_operation": lambda x: ops.reshape(x, (-1, 64, 4)),
    "scale": lambda x: 2 * x,
}


@pytest.mark.parametrize("name", PASSING)
def test_passing_work_writes_values_and_moves_its_weights_only(name):
    cost = last_cost(PASSING[name], (8, 8, 4))
    assert cost.activation_bytes == 4 * VALUES
    assert cost.moved_bytes == 4 * cost.parameters == (64 if name == "batch_norm" else 0)


MOVING = {
    "convolution": (layers.Conv2D(5, 3), 1, 6 * 6 * 5),
    "padding": (layers.ZeroPadding2D(), 1, 10 * 10 * 4),
    "pooling": (layers.MaxPooling2D(), 1, 4 * 4 * 4),
    "softmax": (layers.Softmax(), 1, VALUES),
    "add": (lambda x, y: layers.Add()([x, y]), 2, VALUES),
    "multiply_operation": (lambda x, y: x * y, 2, VALUES),
    "concatenate": (lambda x, y: layers.Concatenate()([x, y]), 2, 2 * VALUES),
}


@pytest.mark.parametrize("name", MOVING)
def test_other_work_reads_inputs_and_writes_outputs(name):
    function, inputs, outputs = MOVING[name]
    cost = last_cost(function, *[(8, 8, 4)] * inputs)
    assert cost.activation_bytes == 4 * outputs
    assert cost.moved_bytes == 4 * (inputs * VALUES + outputs + cost.parameters)


def test_a_slice_moves_what_it_hands_on():
    cost = last_cost(lambda x: x[..., :2], (8, 8, 4))
    assert cost.moved_bytes == 4 * 2 * (8 * 8 * 2)


def test_look_up_reads_the_rows_it_hands_on():
    cost = last_cost(layers.Embedding(1000, 8), (6,), dtype="int32")
    assert cost.weight_bytes == 4 * 1000 * 8
    assert cost.moved_bytes == 4 * (6 + 6 * 8 + 6 * 8)  # numbers, rows, the rows written


def test_embedding_in_reverse_reads_all_of_its_table():
    embedding = layers.ReversibleEmbedding(1000, 8)
    cost = last_cost(lambda x: embedding(embedding(x), reverse=True), (6,), dtype="int32")
    assert cost.moved_bytes == 4 * (6 * 8 + 1000 * 8 + 6 * 1000)


@pytest.mark.parametrize(
    "policy, weight, activation",
    [("float32", 4, 4), ("mixed_float16", 4, 2), ("mixed_bfloat16", 4, 2), ("float64", 8, 8)],
)
def test_bytes_follow_the_dtype_policy(policy, weight, activation):
    cost = last_cost(layers.Dense(5, dtype=policy), (10,), dtype=policy.split("_")[-1])
    assert cost.weight_bytes == weight * 55
    assert cost.activation_bytes == activation * 5
    assert cost.moved_bytes == weight * 55 + activation * 15


def test_int8_weights():
    model = keras.Sequential([keras.Input((10,)), layers.Dense(5)])
    model.layers[-1].quantize("int8")
    (cost,) = layer_costs(model)
    assert cost.macs == 50
    # 50 weights of one byte; the bias and one scale an output stay float32
    assert cost.weight_bytes == 50 + 4 * (5 + 5)


def test_text_has_no_size():
    words = keras.Input((6,), dtype="string")
    model = keras.Model(words, layers.StringLookup(vocabulary=["a", "b"])(words))
    (cost,) = layer_costs(model)
    assert cost.moved_bytes == cost.activation_bytes == 6 * 8  # 64-bit numbers
