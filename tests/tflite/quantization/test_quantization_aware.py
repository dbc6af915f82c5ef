"""Mode "qat": a level made again in Keras 2, and trained with rounding."""

import keras
import numpy as np
import pytest

import tnn_tflite
from tnn_tflite.conversion.keras_to_tflite import tflite_file
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.quantization import AwareTraining
from tnn_tflite.quantization.aware import _place
from tnn_tflite.quantization.description import describe
from tnn_tflite.quantization.plan import plan_for


def network():
    """Layers of many kinds; statistics that would show a wrong order of weights."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(max_value=6, name="relu6")(x)
    y = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise")(x)
    y = keras.layers.SeparableConv2D(8, 3, padding="same", name="separable")(y)
    x = keras.layers.Add(name="sum")([x, y])
    x = keras.layers.MaxPooling2D(name="pool")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(keras.layers.Flatten(name="flat")(x))
    classes = keras.layers.Dense(4, activation="softmax", name="classes")(x)
    model = keras.Model(image, classes, name="net")
    random = np.random.default_rng(0)
    for weight in model.get_layer("norm").weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(0).normal(size=(96, 8, 8, 3)).astype("float32")


def outputs(content, samples):
    interpreter = find_runtime().interpreter(content)
    interpreter.allocate_tensors()
    (into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for sample in samples:
        interpreter.set_tensor(into["index"], sample[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(out["index"])[0])
    return np.stack(found)


def test_trained_or_not_it_is_near_the_float_level(model, samples):
    """Without training it is rounded like int8, by ranges of weights and activations alone."""
    expected = model.predict(samples, verbose=0)
    contents = []
    for epochs in (0, 3):
        training = AwareTraining(epochs=epochs, learning_rate=1e-3)
        file = tflite_file(model, plan_for(training, samples, "float32", model))
        assert [(spec.name, spec.shape) for spec in file.outputs] == [("classes", (4,))]
        # Probabilities, of four classes 0.25 on the average; int8 gives steps of 1/256.
        assert np.abs(outputs(file.content, samples) - expected).mean() < 0.01
        contents.append(file.content)
    assert contents[0] != contents[1], "nothing was learned"


def test_it_is_all_in_integers(model, samples):
    file = tflite_file(model, plan_for(AwareTraining(epochs=0), samples, "int8", model))
    assert [spec.dtype for spec in file.inputs + file.outputs] == ["int8", "int8"]
    assert file.output_quantization[0].scale == pytest.approx(1 / 256)  # of a softmax
    details = find_runtime().interpreter(file.content).get_tensor_details()
    assert not [one["name"] for one in details if one["dtype"] == np.float32]


@pytest.mark.parametrize(("batch_size", "least"), [(96, None), (40, None), (40, 1.0)])
def test_ranges_are_those_of_the_float_level(model, samples, batch_size, least):
    """Of the activations before training: of each batch, and of those the mean."""
    samples = samples if least is None else least + np.abs(samples)
    training = AwareTraining(epochs=0, batch_size=batch_size)
    file = tflite_file(model, plan_for(training, samples, "int8", model))
    order = np.random.default_rng(0).permutation(96)
    batches = [order[start : start + batch_size] for start in range(0, 96, batch_size)]
    assert [len(batch) for batch in batches] == {96: [96], 40: [40, 40, 16]}[batch_size]

    def scale_of(values):  # TFLite adds the zero to a range if it is not in it
        return np.mean([np.ptp(np.append(values[batch], 0)) for batch in batches]) / 255

    assert file.input_quantization[0].scale == pytest.approx(scale_of(samples), rel=1e-4)
    inner = [model.get_layer(name).output for name in ("relu6", "depthwise", "separable", "sum")]
    details = find_runtime().interpreter(file.content).get_tensor_details()
    scales = np.array([one["quantization"][0] for one in details if one["dtype"] == np.int8])
    for values in keras.Model(model.inputs, inner).predict(samples, verbose=0):
        assert np.abs(scales / scale_of(values) - 1).min() < 1e-4  # float32, computed in two ways


def test_the_description_holds_what_keras_computes(model, samples):
    description, arrays = describe(model, [samples])
    names = [layer.name for layer in model.layers[1:] if layer.name != "dropout"]
    assert [call["layer"] for call in description["calls"]] == names
    (out,) = description["outputs"]
    np.testing.assert_allclose(arrays[f"value/{out}"], model(samples[:2]), atol=1e-6)  # the same
    assert description["calls"][0]["config"]["kernel_size"] == (3, 3)
    assert "kernel_initializer" not in description["calls"][0]["config"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            keras.layers.RMSNormalization(name="new"),
            "layer 'new' of class RMSNorm.* is not in Keras 2",
        ),
        (keras.layers.Rescaling(2.0, name="twice"), "'net'.*[Rr]escaling.*quantization='int8'"),
    ],
)
def test_layers_that_keras_2_or_tfmot_lack(samples, layer, message):
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, keras.layers.Conv2D(2, 3)(layer(x)), name="net")
    with pytest.raises(ValueError, match=message):
        tflite_file(model, plan_for("qat", samples, "float32", model))


def test_operations_and_shared_layers_are_refused(samples):
    x = keras.Input((8, 8, 3))
    dense = keras.layers.Dense(3, name="twice")
    for y, name in ((keras.ops.abs(x), "absolute"), (dense(dense(x)), "twice")):
        model = keras.Model(x, y)
        with pytest.raises(ValueError, match=f"layers on tensors, each called once.*'{name}"):
            describe(model, [samples])


def test_places_of_ranges():
    names = ["quant_a/output_min:0", "quant_a/pre_activation_max:0", "quant_a/kernel_min:0"]
    assert list(map(_place, names)) == ["a/out", "a/in", None]
    assert _place("quantize_layer/quantize_layer_max:0") == "input"
    assert _place("quant_a/optimizer_step:0") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": -1}, "`epochs`. Expected an integer, at least 0. Received: epochs=-1"),
        ({"batch_size": 0}, "`batch_size`. Expected an integer, at least 1"),
        ({"samples": 1.5}, "`samples`. Expected an integer"),
        ({"learning_rate": 0}, r"`learning_rate`. Expected a number in \(0, 1\)"),
    ],
)
def test_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        tnn_tflite.quantization.AwareTraining(**arguments)


def test_what_works_at_training_only_is_not_rebuilt():
    layers = keras.layers
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(2, 3, name="first")(layers.RandomZoom(0.1)(image))
    x = layers.SpatialDropout2D(0.5)(layers.GaussianDropout(0.5)(x))
    model = keras.Model(image, layers.Dropout(0.5)(layers.Conv2D(2, 1, name="last")(x)))
    description, _ = describe(model, [np.ones((2, 4, 4, 3), "float32")])
    first, last = description["calls"]
    assert [first["layer"], last["layer"]] == ["first", "last"]
    assert (first["inputs"], last["inputs"]) == ([0], [first["output"]])
    assert description["outputs"] == [last["output"]]
