"""Tensors of a signature have the names that they are given, whatever Python thinks of them."""

import keras
import numpy as np
import pytest

import tnn_tflite
from random_weights import randomized
from tnn_tflite.conversion.keras_to_tflite import keras_to_tflite

# Keywords, what TensorFlow's own functions call their arguments, and no identifiers at all.
NAMES = ("class", "from", "None", "self", "args", "input_1", "input_0", "a-b.c", "2nd")


def network(names):
    """Puts out each input times its number, from 1 on, so that no two can be mistaken."""
    inputs = [keras.Input((2,), name=name) for name in names]
    outputs = {
        f"{name}.out": keras.layers.Rescaling(float(number))(x)
        for number, (name, x) in enumerate(zip(names, inputs, strict=True), 1)
    }
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("mode", [None, "float16", "dynamic", "int8", "int16x8"])
def test_names_are_kept_and_each_stands_for_its_tensor(tmp_path, mode):
    rng = np.random.default_rng(0)
    x = [rng.uniform(-1, 1, (16, 2)).astype("float32") for _ in NAMES]
    data = x if mode in ("int8", "int16x8") else None
    tnn_tflite.convert(
        {1.0: network(NAMES)},
        tmp_path / "bundle",
        quantization=mode,
        representative_data=data,
        verbose=False,
    )
    dispatcher = tnn_tflite.Dispatcher(tmp_path / "bundle")
    assert [spec.name for spec in dispatcher.bundle.inputs] == list(NAMES)
    found = dispatcher(dict(zip(NAMES, [array[0] for array in x], strict=True)), 1.0)
    for number, (name, array) in enumerate(zip(NAMES, x, strict=True), 1):
        # int8 rounds the input and the output to steps of 2/255 and 2 number/255.
        tolerance = 0.02 * number if mode == "int8" else 1e-3 * number
        np.testing.assert_allclose(found[f"{name}.out"], number * array[0], atol=tolerance)


@pytest.mark.parametrize("name", ["class", "self", "from", "lambda"])
def test_an_output_of_any_name(name):
    image = keras.Input((3,), name=name)
    model = randomized(keras.Model(image, keras.layers.Dense(2, name="def")(image)))
    _, inputs, outputs = keras_to_tflite(model)
    assert ([x.name for x in inputs], [x.name for x in outputs]) == ([name], ["def"])
