"""`model.quantize` of a throttled model: gates stay float32, what they gate is quantized."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import gates

X = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")


def throttled(gate=None):
    keras.utils.set_random_seed(0)
    image = keras.Input((6,))
    x = keras.layers.Dense(16, activation="relu", name="wide")(image)
    x = keras.layers.Dense(16, activation="relu", name="deep")(x)
    plain = keras.Model(image, keras.layers.Dense(3, name="logits")(x))
    return tnn.throttle(plain, num_groups=4, gate=gate)


@pytest.mark.parametrize("gate", [None, gates.DataIndependent, gates.DataDependent, gates.Blind])
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
def test_gates_stay_float(gate, tmp_path):
    model = throttled(gate)
    before = {u: model.predict(X, utilization=u, verbose=0) for u in (0.5, 1.0)}
    weights = [[w.numpy() for w in one.weights] for one in model.gates]
    model.quantize("int8")
    for one, values in zip(model.gates, weights, strict=True):
        for weight, value in zip(one.weights, values, strict=True):
            np.testing.assert_array_equal(weight, value)
    dense = [model.get_layer(name) for name in ("wide", "deep", "logits")]
    assert [layer.quantization_mode for layer in dense] == ["int8"] * 3
    for u, values in before.items():
        found = model.predict(X, utilization=u, verbose=0)
        # 127 steps a channel and a sample, three layers deep.
        np.testing.assert_allclose(found, values, atol=0.05 * np.abs(values).max())
    model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(again(X), model(X))
    with pytest.raises(ValueError, match=r"'deep', 'logits', 'wide'\] .* are quantized"):
        tnn.materialize(model, 0.5)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
@pytest.mark.parametrize("filters", ["wide", ["wide"], lambda layer: layer.name == "wide"])
def test_filters_are_those_of_keras(filters):
    model = throttled()
    model.quantize("int8", filters=filters)
    modes = {n: model.get_layer(n).quantization_mode for n in ("wide", "deep", "logits")}
    assert modes == {"wide": "int8", "deep": None, "logits": None}


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
def test_layers_that_hold_their_gate_are_named():
    image, u = keras.Input((6,)), keras.Input((), name="utilization", optional=True)
    x = tnn.layers.ThrottleableDense(8, num_groups=4, name="held")([image, u])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2, name="logits")(x))
    with pytest.warns(UserWarning, match=r"layers \['held'\] hold gates and stay as they are"):
        model.quantize("int8")
    assert model.get_layer("logits").quantization_mode == "int8"
