"""Bundles of each kind answer in Node as they do in Python: integers to the byte."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
import tnn_tflite
from dispatcher_in_node import ask, decoded, encoded
from tnn_tflite import Dispatcher
from tnn_tflite.command.sample_file import read_sample
from tnn_tflite.lint import read_operator_graph

LEVELS = (0.5, 1.0)
SHAPE = (8, 8, 3)
STEPS = tnn_tflite.Preprocessing((1 / 255, 0.004, 0.005), (0.0, -0.1, 0.1), "BGR", "crop")
NAMES = ("ant", "bee", "cat", "dog")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return tnn.models.VGG(SHAPE, 4, num_groups=4, filters=((8,), (16,)), dense_units=16)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(size=(4, *SHAPE)).astype("float32")


KINDS = {
    "single": {"layout": "single"},
    "int8": {"layout": "single", "quantization": "int8"},
    "uint8": {"quantization": "int8", "inference_type": "uint8", "labels": NAMES},
}


@pytest.fixture(scope="module", params=KINDS)
def bundle(request, model, images, tmp_path_factory):
    options = dict(KINDS[request.param])
    if "quantization" in options:
        options["representative_data"] = images
    directory = tmp_path_factory.mktemp(request.param) / "bundle"
    tnn_tflite.convert(model, directory, LEVELS, calibration_data=images, verbose=False, **options)
    return directory


def test_levels_answer_as_in_python(bundle, images):
    dispatcher = Dispatcher(bundle)
    (spec,) = dispatcher.bundle.inputs
    reals = [*images[:2], images[2] - 0.4]  # of uint8 some are out of range, and are clipped
    level_of_reals = [(x, u) for u in LEVELS for x in reals]
    calls = [{"x": encoded(x), "utilization": u} for x, u in level_of_reals]
    (found,) = ask([{"bundle": str(bundle), "calls": calls}])
    assert found["levels"] == list(LEVELS)
    labels = dispatcher.bundle.labels.items()
    assert found["labels"] == {name: list(names) for name, names in labels}
    for (x, u), answer in zip(level_of_reals, found["answers"], strict=True):
        level = dispatcher.level_for(u)
        if spec.dtype == "uint8":
            x = tnn_tflite.quantize(x, level.input_quantization[0], "uint8")
        expected = dispatcher(x, u)
        assert (answer["utilization"], answer["macs"]) == (u, level.macs)
        assert decoded(answer).dtype == expected.dtype
        if expected.dtype == "uint8":
            np.testing.assert_array_equal(decoded(answer), expected)
        else:
            np.testing.assert_allclose(decoded(answer), expected, rtol=1e-5, atol=1e-5)


def test_a_picture_is_seen_as_the_command_sees_its_file(bundle, tmp_path):
    """Cropped, resized, reordered and scaled as the bundle says, and in uint8 quantized."""
    Image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(1).integers(0, 256, (20, 31, 4), dtype="uint8")
    pixels[..., 3] = 255
    Image.fromarray(pixels[..., :3]).save(tmp_path / "photo.png")
    dispatcher = Dispatcher(bundle)
    expected = dispatcher(read_sample(str(tmp_path / "photo.png"), dispatcher.bundle), 1.0)
    picture = {**encoded(pixels), "width": 31, "height": 20}
    (found,) = ask([{"bundle": str(bundle), "calls": [{"x": picture}]}])
    (answer,) = found["answers"]
    rounding = {} if expected.dtype == "uint8" else {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(
        decoded(answer), expected[0] if expected.ndim > 1 else expected, **rounding
    )


def test_what_is_closed_behind_an_if_is_skipped_as_in_python(tmp_path):
    """A block that opens for two of four images."""
    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    y = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([x, y]))
    plain = keras.Model(image, keras.layers.Dense(3, name="scores")(x))
    model = tnn.throttle(plain, axes=("depth",), gate=tnn.gates.DataDependent)
    (gate,) = model.gates
    gate.pairs.kernel.assign(np.random.default_rng(2).normal(0, 2, gate.pairs.kernel.shape))
    x = [np.full(SHAPE, value, "float32") for value in (-2.0, -0.5, 0.5, 2.0)]
    with tnn.gates.record_decisions() as decisions:
        model(np.stack(x))
    opened = np.asarray(decisions[0].probabilities)[:, 0] > 0.5
    assert 0 < opened.sum() < 4
    tnn_tflite.convert(model, tmp_path / "bundle", levels=(1.0,), verbose=False)
    dispatcher = Dispatcher(tmp_path / "bundle")
    calls = [{"x": encoded(one)} for one in x]
    (found,) = ask([{"bundle": str(tmp_path / "bundle"), "calls": calls}])
    expected = np.stack([dispatcher(one) for one in x])
    answers = np.stack([decoded(answer) for answer in found["answers"]])
    np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-5)
    operators = read_operator_graph(dispatcher.bundle.read_level(dispatcher.levels[0])).operators
    assert "IF" in {operator.name for operator in operators}


def test_several_inputs_and_outputs(tmp_path):
    """One of whole numbers, by name in any order."""
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b", dtype="int32")
    x = keras.layers.Concatenate()([a, keras.ops.cast(b, "float32")])
    outputs = [keras.layers.Dense(2, name="sums")(x), keras.layers.Dense(3, name="parts")(x)]
    network = keras.Model([a, b], outputs)
    tnn_tflite.convert({1.0: network}, tmp_path / "bundle", verbose=False)
    x = {"b": np.array([3, -4], "int32"), "a": np.array([0.5, 1, 2], "float32")}
    call = {"inputs": {name: encoded(one) for name, one in x.items()}}
    (found,) = ask([{"bundle": str(tmp_path / "bundle"), "calls": [call]}])
    expected = Dispatcher(tmp_path / "bundle")(x)
    outputs = found["answers"][0]["outputs"]
    assert {*outputs} == {*expected} == {"sums", "parts"}
    for name, one in expected.items():
        np.testing.assert_allclose(outputs[name]["data"], one, rtol=1e-5, atol=1e-5)
