"""The table that sets Keras and TFLite side by side, on networks made by hand."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
import tnn_tflite
from tnn_tflite.conversion.keras_to_tflite import tflite_file
from tnn_tflite.conversion.layer_errors import is_quantized, layer_errors
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.quantization.plan import plan_for

LEVELS = (0.5, 1.0)
X = np.eye(4, dtype="float32") + np.array([0.5, 0, 0, 0], "float32")
Y = np.arange(4)  # at u = 1/2 classes 2 and 3 cannot be seen


@pytest.fixture(scope="module")
def model():
    """Class = the largest open channel."""
    image, u = keras.Input((4,), name="x"), keras.Input((), name="utilization", optional=True)
    hidden = tnn.layers.ChannelGate(num_groups=2)([image, u])
    dense = keras.layers.Dense(4, use_bias=False, kernel_initializer="identity")(hidden)
    return tnn.ThrottledModel([image, u], dense)


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("compared") / "bundle"
    return tnn_tflite.convert(model, directory, LEVELS, verbose=False)


def test_accuracy_bytes_and_time_of_each_level(model, bundle):
    comparison = tnn_tflite.compare(model, bundle.directory, X, Y)
    rows = comparison.rows
    assert [row.keras_accuracy for row in rows] == [0.5, 1.0]
    assert [row.tflite_accuracy for row in rows] == [0.5, 1.0]
    assert [row.agreement for row in rows] == [1.0, 1.0]
    assert [row.output_error for row in rows] == [0.0, 0.0]
    assert [row.bytes for row in rows] == [level.bytes for level in bundle.levels]
    assert [row.macs for row in rows] == [2 * 4, 4 * 4]
    assert all(0 < row.milliseconds < 1000 for row in rows)
    text = str(comparison).splitlines()
    assert len({len(line) for line in text}) == 1 and "TFLite accuracy" in text[0]
    assert "layer" not in text[0], "nothing is quantized"


def test_without_labels(model, bundle):
    comparison = tnn_tflite.compare(model, bundle.directory, X)
    assert [row.keras_accuracy for row in comparison.rows] == [None, None]
    assert [row.agreement for row in comparison.rows] == [1.0, 1.0]
    assert "accuracy" not in str(comparison)


def test_another_network_is_seen(model, bundle):
    """Keras levels whose classes are turned by one agree nowhere."""
    turned = {}
    for u in LEVELS:
        turned[u] = tnn.materialize(model, u)
        (kernel,) = turned[u].get_weights()
        turned[u].set_weights([np.roll(kernel, 1, axis=1)])
    rows = tnn_tflite.compare(turned, bundle.directory, X, Y).rows
    assert [row.agreement for row in rows] == [0.0, 0.0]
    assert [row.output_error for row in rows] == [1.0, 1.0]  # 1.5 in the place of 0
    assert [row.tflite_accuracy for row in rows] == [0.5, 1.0]


@pytest.mark.parametrize("inference_type", ["float32", "int8"])
def test_a_quantized_bundle_names_its_worst_layer(tmp_path, inference_type):
    """Two channels share a scale in the sum: the small one drowns, and there it is largest."""
    x = keras.Input((2,), name="x")
    scaled = keras.layers.Dense(2, name="spread")(x)
    plain = keras.Model(x, keras.layers.Dense(2, name="equal")(scaled))
    plain.get_layer("spread").set_weights([np.diag([1.0, 0.001]), np.zeros(2)])
    plain.get_layer("equal").set_weights([np.diag([1.0, 1000.0]), np.zeros(2)])
    data = np.random.default_rng(0).uniform(-1, 1, (64, 2)).astype("float32")
    tnn_tflite.convert(
        {1.0: plain},
        tmp_path / "bundle",
        quantization="int8",
        representative_data=data,
        inference_type=inference_type,
        verbose=False,
    )
    comparison = tnn_tflite.compare({1.0: plain}, tmp_path / "bundle", data)
    (row,) = comparison.rows
    assert row.layer == "equal"
    assert 0.2 < row.layer_error < 0.7  # one channel of it is lost, half of the range
    assert 0.5 < row.output_error < 1.1
    assert "of layer" in str(comparison) and "equal" in str(comparison)


def test_errors_of_layers_by_hand():
    """The identity in int8: an error of at most half a step of each rounding."""
    x = keras.Input((3,), name="x")
    dense = keras.layers.Dense(3, use_bias=False, kernel_initializer="identity", name="same")
    model = keras.Model(x, keras.layers.ReLU(name="positive")(dense(x)))
    data = np.random.default_rng(0).uniform(0, 1, (32, 3)).astype("float32")
    plan = plan_for("int8", data, "float32", model, keep_float=True)
    file = tflite_file(model, plan)
    runtime = find_runtime()
    assert is_quantized(file.content, runtime) and not is_quantized(file.float_content, runtime)
    samples = [{"x": sample} for sample in data]
    names = {"x", "same", "positive"}
    errors = layer_errors(file.float_content, file.content, samples, names, runtime)
    assert errors and set(errors) <= {"same", "positive"}
    assert all(0 < error <= 1.5 / 255 for error in errors.values())  # in, weight and out
    same = layer_errors(file.float_content, file.float_content, samples, names, runtime)
    assert set(same.values()) == {0.0}


def test_what_does_not_fit(model, bundle, tmp_path):
    plain = tnn.materialize(model, 1.0)
    with pytest.raises(ValueError, match=r"Expected the levels of the bundle, \[0.5, 1.0\]"):
        tnn_tflite.compare({0.25: plain, 1.0: plain}, bundle.directory, X)
    with pytest.raises(ValueError, match=r"`y`. Expected class numbers of shape \(4,\)"):
        tnn_tflite.compare(model, bundle.directory, X, Y[:2])
    with pytest.raises(ValueError, match="`x`. Expected at least one sample"):
        tnn_tflite.compare(model, bundle.directory, X[:0])
    x = keras.Input((3,), name="x")
    image = {1.0: keras.Model(x, keras.layers.Reshape((3, 1))(x))}
    tnn_tflite.convert(image, tmp_path / "bundle", verbose=False)
    data = np.ones((2, 3), "float32")
    with pytest.raises(ValueError, match="`y`. Expected None, as labels are compared with class"):
        tnn_tflite.compare(image, tmp_path / "bundle", data, Y[:2])
    (row,) = tnn_tflite.compare(image, tmp_path / "bundle", data).rows
    assert row.agreement is None and row.output_error == 0.0
