"""Levels that trained in other floats are converted as the float32 network they stand for."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn
import tnn_tflite
from random_weights import randomized
from tnn_tflite.conversion.in_float32 import in_float32

POLICIES = ("mixed_float16", "mixed_bfloat16", "float64", "float16", "bfloat16")
IMAGES = np.random.default_rng(0).normal(size=(32, 8, 8, 3)).astype("float32")


def network(policy):
    """Two convolutions, and a dense layer that puts out float32 as Keras advises."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(16, 3, activation="relu", dtype=policy)(image)
    x = layers.BatchNormalization(dtype=policy)(x)
    x = layers.Conv2D(16, 3, activation="relu", dtype=policy)(x)
    x = layers.GlobalAveragePooling2D(dtype=policy)(x)
    return keras.Model(image, layers.Dense(5, dtype="float32", name="logits")(x))


def nested(policy):
    """Layers inside of layers and of models, arithmetic between them, an input of that float."""
    steps = keras.Input((6, 4), name="steps", dtype="float16")
    inner = keras.Input((6, 8), name="inner_steps")
    block = keras.Model(inner, layers.Dense(8, dtype=policy)(inner), name="block")
    x = layers.TimeDistributed(layers.Dense(8, dtype=policy))(steps)
    x = block(x) * 2 + 1
    x = layers.Bidirectional(layers.GRU(4, recurrent_initializer="uniform", dtype=policy))(x)
    return keras.Model({"steps": steps}, {"ends": layers.Dense(2, dtype=policy)(x)})


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("make", [network, nested])
def test_computes_what_the_float32_network_does(make, policy):
    model = randomized(make(policy))
    expected = make("float32")
    expected.set_weights(model.get_weights())
    found = in_float32(model)
    assert {w.dtype for w in found.weights} == {"float32"}
    assert {x.dtype for x in [*found.inputs, *found.outputs]} == {"float32"}
    assert [one.name for one in found.layers] == [one.name for one in model.layers]
    x = np.random.default_rng(1).normal(size=(4, *model.inputs[0].shape[1:])).astype("float16")
    x = keras.tree.pack_sequence_as(model.input, [x])
    for one, other in zip(
        keras.tree.flatten(found(x)), keras.tree.flatten(expected(x)), strict=True
    ):
        # The same kernels on the same weights.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_float32_network_is_itself():
    model = network("float32")
    assert in_float32(model) is model


def test_integers_stay():
    words = keras.Input((3,), dtype="int32", name="words")
    x = layers.Embedding(7, 4, dtype="mixed_float16")(words)
    found = in_float32(keras.Model(words, layers.Flatten(dtype="mixed_float16")(x)))
    assert found.inputs[0].dtype == "int32" and found.outputs[0].dtype == "float32"


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("mode", [None, "float16", "dynamic", "int8", "int16x8"])
def test_levels_convert_in_every_mode(tmp_path, policy, mode):
    plain = randomized(network(policy))
    model = keras_tnn.throttle(plain, num_groups=4)
    data = IMAGES if mode in ("int8", "int16x8") else None
    bundle = tnn_tflite.convert(
        model,
        tmp_path / "bundle",
        levels=(0.5, 1.0),
        calibration_data=IMAGES,
        quantization=mode,
        representative_data=data,
        verbose=False,
    )
    ends = [(x.name, x.dtype) for x in (*bundle.inputs, *bundle.outputs)]
    assert ends == [("image", "float32"), ("logits", "float32")]
    dispatcher = tnn_tflite.Dispatcher(tmp_path / "bundle")
    for u in (0.5, 1.0):
        exact = in_float32(keras_tnn.materialize(model, u, calibration_data=IMAGES))
        expected = np.asarray(exact(IMAGES))
        # Of the largest output: float32 kernels; weights of 11 bits; activations of 8 bits.
        share = {None: 1e-4, "float16": 5e-3, "int16x8": 5e-2}.get(mode, 0.1)
        error = np.abs(dispatcher(IMAGES, utilization=u) - expected).max()
        assert error <= share * np.abs(expected).max()
