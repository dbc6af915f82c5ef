"""MACs by kind of layer. Each expected number is written as the arithmetic that gives it."""

import keras
import pytest
from keras import layers, ops

from keras_tnn.cost import count_macs
from keras_tnn.surgery import Rule, rule
from keras_tnn.surgery.registry import RULES


def one_layer(layer, *input_shape):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, layer(inputs))


CASES = {
    # positions x kernel x input channels x filters
    "conv1d": (layers.Conv1D(5, 3), (10, 4), 8 * 3 * 4 * 5),
    "conv2d": (layers.Conv2D(5, 3), (10, 12, 4), 8 * 10 * 3 * 3 * 4 * 5),
    "conv3d": (layers.Conv3D(5, 3), (6, 7, 8, 2), 4 * 5 * 6 * 27 * 2 * 5),
    "same": (layers.Conv2D(5, 3, padding="same"), (10, 10, 4), 10 * 10 * 3 * 3 * 4 * 5),
    "strides": (layers.Conv2D(5, 3, strides=2, padding="same"), (9, 9, 4), 5 * 5 * 9 * 4 * 5),
    "dilation": (layers.Conv2D(5, 3, dilation_rate=2), (10, 10, 4), 6 * 6 * 9 * 4 * 5),
    # each filter reads input channels / groups
    "groups": (layers.Conv2D(8, 3, groups=4), (10, 10, 4), 8 * 8 * 9 * (4 // 4) * 8),
    # input positions x kernel x filters x input channels
    "conv1d_transpose": (layers.Conv1DTranspose(5, 3, strides=2), (7, 4), 7 * 3 * 5 * 4),
    "conv2d_transpose": (layers.Conv2DTranspose(5, 3, strides=2), (7, 7, 4), 7 * 7 * 9 * 5 * 4),
    "conv3d_transpose": (layers.Conv3DTranspose(5, 2), (3, 3, 3, 4), 27 * 8 * 5 * 4),
    # positions x kernel x input channels x multiplier
    "depthwise1d": (layers.DepthwiseConv1D(3), (10, 4), 8 * 3 * 4),
    "depthwise2d": (layers.DepthwiseConv2D(3, depth_multiplier=2), (10, 10, 4), 64 * 9 * 4 * 2),
    # depthwise part + pointwise part, both at the positions of the output
    "separable1d": (layers.SeparableConv1D(5, 3), (10, 4), 8 * 3 * 4 + 8 * 4 * 5),
    "separable2d": (
        layers.SeparableConv2D(5, 3, strides=2, depth_multiplier=2),
        (11, 11, 4),
        5 * 5 * (9 * 4 * 2) + 5 * 5 * (8 * 5),
    ),
    "dense": (layers.Dense(5), (10,), 10 * 5),
    "dense_per_position": (layers.Dense(5), (6, 7, 10), 6 * 7 * 10 * 5),
    "without_bias": (layers.Dense(5, use_bias=False), (10,), 10 * 5),
    "batch_norm": (layers.BatchNormalization(), (8, 8, 4), 0),
    "relu": (layers.ReLU(), (8, 8, 4), 0),
    "prelu": (layers.PReLU(), (8, 8, 4), 0),
    "pooling": (layers.AveragePooling2D(2), (8, 8, 4), 0),
    "padding": (layers.ZeroPadding2D(), (8, 8, 4), 0),
}


@pytest.mark.parametrize("case", CASES)
def test_macs_by_hand(case):
    layer, input_shape, expected = CASES[case]
    assert count_macs(one_layer(layer, *input_shape)) == expected


def test_channels_first():
    layer = layers.Conv2D(5, 3, data_format="channels_first")
    inputs = keras.Input((4, 10, 12))
    assert count_macs(keras.Model(inputs, layer(inputs))) == 8 * 10 * 3 * 3 * 4 * 5


def test_embedding_is_a_look_up():
    inputs = keras.Input((6,), dtype="int32")
    model = keras.Model(inputs, layers.Dense(3)(layers.Embedding(100, 8)(inputs)))
    assert count_macs(model) == 6 * 8 * 3


def test_embedding_in_reverse_is_a_dense_layer():
    inputs = keras.Input((6,), dtype="int32")
    embedding = layers.ReversibleEmbedding(100, 8)
    model = keras.Model(inputs, embedding(embedding(inputs), reverse=True))
    assert count_macs(model) == 6 * 8 * 100


@keras.saving.register_keras_serializable("test_macs")
class Bilinear(layers.Layer):
    """y = x1 kernel x2, a kind that nobody knows."""

    def build(self, shapes):
        self.kernel = self.add_weight(shape=(shapes[0][-1], shapes[1][-1]), name="kernel")

    def call(self, inputs):
        left, right = inputs
        return ops.sum((left @ self.kernel) * right, axis=-1, keepdims=True)


@pytest.fixture
def bilinear():
    left, right = keras.Input((3,)), keras.Input((5,))
    return keras.Model([left, right], Bilinear(name="bilinear")([left, right]))


def test_a_layer_of_operations_costs_what_they_cost(bilinear):
    assert count_macs(bilinear) == 3 * 5  # (1, 3) times (3, 5); the rest is elementwise


def test_unknown_layer_with_matrices_is_an_error():
    class Hidden(Bilinear):
        def call(self, inputs):
            left, right = inputs
            return left @ self.kernel.value + right

    left, right = keras.Input((3,)), keras.Input((5,))
    model = keras.Model([left, right], Hidden(name="hidden")([left, right]))
    with pytest.raises(ValueError, match=r"layer 'hidden' \(Hidden\), which cannot .* unknown"):
        count_macs(model)


def test_a_rule_of_ones_own(bilinear, monkeypatch):
    monkeypatch.setattr("keras_tnn.surgery.registry.RULES", dict(RULES))  # forgotten afterwards

    @rule(Bilinear)
    class BilinearRule(Rule):
        def kernels(self, call):
            return [call.operation.kernel]

    assert count_macs(bilinear) == 3 * 5


def test_a_name_stands_for_a_class_of_keras_only():
    class Matmul(layers.Layer):
        def call(self, x):
            return 2 * x

    assert count_macs(one_layer(Matmul(), 4, 4)) == 0


def test_layer_that_returns_several_tensors():
    inputs = keras.Input((8, 4))
    outputs = layers.LSTM(3, return_state=True)(inputs)
    assert count_macs(keras.Model(inputs, layers.Dense(2)(outputs[1]))) == 8 * (4 + 3) * 12 + 3 * 2


def test_unknown_size():
    model = one_layer(layers.Conv2D(5, 3, name="first"), None, None, 3)
    with pytest.raises(ValueError, match=r"layer 'first' .* input of fixed shape. Received: sizes"):
        count_macs(model)
