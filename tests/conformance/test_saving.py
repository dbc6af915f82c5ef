"""A saved and loaded model computes what it computed, at several utilizations."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from descriptors import GATES, LAYERS, LOSSES, MODELS, UTILIZATION


def check_round_trip(model, samples, folder):
    model.save(folder / "net.keras")
    loaded = keras.saving.load_model(folder / "net.keras")
    assert type(loaded) is type(model)
    # The same weights in the same operations, each sample at a utilization: equal to the bit.
    expected, received = (net([samples, UTILIZATION]) for net in (model, loaded))
    np.testing.assert_array_equal(received, expected)
    return loaded


@pytest.mark.parametrize("descriptor", LAYERS, ids=str)
def test_layer(descriptor, tmp_path):
    model = descriptor.model_of_layer(descriptor.make())
    check_round_trip(model, descriptor.samples(), tmp_path)


@pytest.mark.parametrize("gate", GATES, ids=str)
@pytest.mark.parametrize("layer", [x for x in LAYERS if x.arguments["num_groups"] == 4], ids=str)
def test_layer_with_a_gate_of_the_users(layer, gate, tmp_path):
    model = layer.model_of_layer(layer.make(gate=gate.make()))
    loaded = check_round_trip(model, layer.samples(), tmp_path)
    assert any(isinstance(getattr(x, "gate", None), gate.public) for x in loaded.layers), (
        "the gate was replaced by another"
    )


@pytest.mark.parametrize("gate", GATES, ids=str)
def test_gate_as_a_node_that_two_layers_share(gate, tmp_path):
    features, u = keras.Input((6,)), keras.Input((), name="utilization", optional=True)
    groups = gate.make()(u)
    x = tnn.layers.ThrottleableDense(8, num_groups=4)([features, groups])
    x = tnn.layers.ThrottleableDense(8, num_groups=4)([x, groups])
    model = tnn.ThrottledModel([features, u], x)
    check_round_trip(model, np.ones((4, 6), "float32"), tmp_path)


@pytest.mark.parametrize("descriptor", MODELS, ids=str)
def test_network(descriptor, tmp_path):
    check_round_trip(descriptor.make(), descriptor.samples(), tmp_path)


@pytest.mark.parametrize("descriptor", LOSSES, ids=str)
def test_model_compiled_with_a_loss(descriptor, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", descriptor.make())
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.loss.get_config() == descriptor.make().get_config()
