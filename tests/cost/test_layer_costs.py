"""The rows of a model's cost: order, sharing, nesting, and what it refuses."""

import keras
import pytest
from keras import layers, ops

import keras_tnn as tnn
from keras_tnn.cost import LayerCost, count_macs, layer_costs
from keras_tnn.cost.layer_costs import sum_of


def test_rows_follow_the_calls():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    model = keras.Model(inputs, ops.mean(x, axis=(1, 2)))
    values, weights = 6 * 6 * 4, 9 * 3 * 4 + 4
    assert layer_costs(model)[:2] == (
        LayerCost(
            name="conv",
            kind="Conv2D",
            output_shape=(6, 6, 4),
            macs=6 * 6 * 9 * 3 * 4,
            pooling_flops=0,
            parameters=weights,
            weight_bytes=4 * weights,
            activation_bytes=4 * values,
            moved_bytes=4 * (8 * 8 * 3 + weights + values),
        ),
        LayerCost(
            name="norm",
            kind="BatchNormalization",
            output_shape=(6, 6, 4),
            macs=0,
            pooling_flops=0,
            parameters=4 * 4,
            weight_bytes=4 * 4 * 4,
            activation_bytes=4 * values,
            moved_bytes=4 * 4 * 4,
        ),
    )
    assert [(cost.kind, cost.macs, cost.parameters) for cost in layer_costs(model)[2:]] == [
        ("Mean", 0, 0)
    ]


def test_shared_layer_runs_twice_and_is_stored_once():
    dense = layers.Dense(10)
    inputs = keras.Input((10,))
    model = keras.Model(inputs, dense(dense(inputs)))
    assert [cost.macs for cost in layer_costs(model)] == [100, 100]
    assert [cost.parameters for cost in layer_costs(model)] == [110, 0]
    assert [cost.weight_bytes for cost in layer_costs(model)] == [440, 0]
    # It is read at each call: 110 weights, 10 inputs, 10 outputs.
    assert [cost.moved_bytes for cost in layer_costs(model)] == [4 * 130, 4 * 130]


def test_weights_shared_by_two_layers_are_stored_once():
    dense = layers.Dense(4)
    inputs = keras.Input((6, 4))
    model = keras.Model(inputs, layers.TimeDistributed(dense)(dense(inputs)))
    assert [cost.parameters for cost in layer_costs(model)] == [20, 0]
    assert model.count_params() == 20


def test_flops_are_twice_the_macs():
    model = keras.Sequential([keras.Input((10,)), layers.Dense(5)])
    assert [cost.flops for cost in layer_costs(model)] == [2 * 10 * 5]


def test_sum_of_costs():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.MaxPooling2D()])
    total = sum_of(layer_costs(model))
    assert (total.name, total.kind, total.output_shape) == ("total", "", ())
    assert total.macs == 6 * 6 * 9 * 3 * 4
    assert total.pooling_flops == 2 * 3 * 3 * 4
    assert total.activation_bytes == 4 * (6 * 6 * 4 + 3 * 3 * 4)
    assert total.weight_bytes == 4 * total.parameters == 4 * model.count_params()


def test_layer_that_returns_several_tensors():
    inputs = keras.Input((8, 4))
    model = keras.Model(inputs, layers.LSTM(3, return_sequences=True, return_state=True)(inputs))
    (cost,) = layer_costs(model)
    assert cost.output_shape == (8, 3)
    assert cost.activation_bytes == 4 * (8 * 3 + 3 + 3)  # the sequence and two states


def test_nested_models_are_followed():
    block = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same")])
    inputs = keras.Input((8, 8, 4))
    x = keras.Model(inputs, block(inputs))(block(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    assert count_macs(model) == 2 * (64 * 9 * 4 * 4) + 8 * 8 * 4 * 2
    assert sum(cost.parameters for cost in layer_costs(model)) == model.count_params()


def test_nested_model_of_open_size_counts_at_the_size_it_is_called_at():
    open_inputs = keras.Input((None, None, 3))
    backbone = keras.Model(open_inputs, layers.Conv2D(4, 3, padding="same")(open_inputs))
    inputs = keras.Input((8, 6, 3))
    assert count_macs(keras.Model(inputs, backbone(inputs))) == 8 * 6 * 9 * 3 * 4


def test_nested_model_with_named_inputs():
    named = {"a": keras.Input((3,), name="a"), "b": keras.Input((5,), name="b")}
    inner = keras.Model(named, layers.Dense(2)(named["a"]) + layers.Dense(2)(named["b"]))
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((5,), name="b")}
    assert count_macs(keras.Model(inputs, inner(inputs))) == 3 * 2 + 5 * 2


def test_sequential():
    model = keras.Sequential([keras.Input((10,)), layers.Dense(5), layers.Dense(2)])
    assert count_macs(model) == 10 * 5 + 5 * 2


def test_counting_leaves_the_model_as_it_was():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3)(inputs))
    before = model.to_json(), model.layers[1].output
    assert count_macs(model) == count_macs(model)
    assert model.to_json() == before[0]
    assert model.layers[1].output is before[1]


@pytest.mark.parametrize(
    "build, low, high",
    [
        # herrmann2019, Figure 4 and Keras' own documentation say 300 M.
        (lambda: keras.applications.MobileNetV2(weights=None), 295e6, 305e6),
        # herrmann2019, Figure 4: 56 M at 96.
        (lambda: keras.applications.MobileNetV2(input_shape=(96, 96, 3), weights=None), 54e6, 58e6),
        # He et al. 2015, Table 1: 3.8e9. Keras' ResNet50 is their v1, with strides in 1x1.
        (lambda: keras.applications.ResNet50(weights=None), 3.8e9, 3.9e9),
    ],
    ids=["MobileNetV2-224", "MobileNetV2-96", "ResNet50"],
)
def test_published_networks(build, low, high):
    model = build()
    assert low < count_macs(model) < high
    assert sum(cost.parameters for cost in layer_costs(model)) == model.count_params()


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize("model", [Subclassed(), keras.Sequential([layers.Dense(2)])])
def test_model_without_a_graph(model):
    with pytest.raises(ValueError, match="Expected a built functional or sequential model"):
        count_macs(model)


def test_utilization_needs_a_throttled_model():
    model = keras.Sequential([keras.Input((10,)), layers.Dense(5)])
    with pytest.raises(ValueError, match="no input named 'utilization'.*Received: utilization=0.5"):
        count_macs(model, utilization=0.5)


def throttled_dense():
    features = keras.Input((4,))
    utilization = keras.Input((), name="utilization")
    x = tnn.layers.ThrottleableDense(8, num_groups=4)([features, utilization])
    return keras.Model([features, utilization], layers.Dense(2)(x))


def test_throttled_model_counts_what_is_open():
    model = throttled_dense()
    assert count_macs(model) == 4 * 8 + 8 * 2
    assert count_macs(model, utilization=1.0) == 4 * 8 + 8 * 2
    assert count_macs(model, utilization=0.5) == 4 * 4 + 4 * 2  # two of four groups


def test_bytes_of_a_throttled_model():
    total = sum_of(layer_costs(throttled_dense(), utilization=0.5))  # two of four groups
    assert total.parameters == (4 * 4 + 4) + (4 * 2 + 2)
    assert total.weight_bytes == 4 * total.parameters
    assert total.activation_bytes == 4 * (4 + 2)


def test_size_unknown_for_bytes_only():
    tokens = keras.Input((None,), dtype="int32")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(10, 4, name="look_up")(tokens))
    model = keras.Model(tokens, layers.Dense(2)(x))
    assert count_macs(model) == 4 * 2
    with pytest.raises(
        ValueError, match=r"layer 'look_up' .*input of fixed shape. Received: sizes"
    ):
        layer_costs(model)


def test_throttled_model_refuses_a_bad_utilization():
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]"):
        count_macs(throttled_dense(), utilization=1.5)
