"""ReLUs of int8 behind an `IF`: another operator, the same integers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tnn.layers import ConditionalSum
from tnn_tflite.conversion.keras_to_tflite import tflite_file
from tnn_tflite.lint.operator_graph import read_operator_graph
from tnn_tflite.quantization.plan import plan_for
from tnn_tflite.sharing import requantized_relu

REFERENCE = tf.lite.experimental.OpResolverType.BUILTIN_REF
layers = keras.layers


def network():
    """A ReLU behind a sum whose one term may be closed."""
    keras.utils.set_random_seed(0)
    image, gates = keras.Input((6, 6, 3), name="image"), keras.Input((1,), name="gates")
    x = layers.Conv2D(4, 3, activation="relu")(image)
    features = keras.Input(x.shape[1:])
    term = keras.Model(features, layers.Conv2D(4, 3, padding="same")(features))
    x = layers.ReLU()(ConditionalSum([term], [0])(x, gates=gates, base=x))
    return keras.Model([image, gates], x)


def int8_content(model, samples) -> bytes:
    return tflite_file(model, plan_for("int8", samples, "float32", model)).content


@pytest.fixture(scope="module")
def samples():
    images = np.random.default_rng(0).normal(size=(32, 6, 6, 3)).astype("float32")
    return [images, np.resize(np.float32([0, 1]), (32, 1))]


def outputs_of(content, samples, **resolver):
    run = tf.lite.Interpreter(model_content=content, **resolver).get_signature_runner()
    pairs = zip(*samples, strict=True)
    return np.stack([*(next(iter(run(image=x[None], gates=g[None]).values())) for x, g in pairs)])


def operators(content) -> set[str]:
    return {operator.name for operator in read_operator_graph(content).operators}


def test_the_integers_are_those_of_the_relu(samples, monkeypatch):
    assert "RELU" not in operators(int8_content(network(), samples))
    with monkeypatch.context() as patch:
        patch.setattr("tnn_tflite.conversion.keras_to_tflite.with_requantized_relus", lambda x: x)
        before = int8_content(network(), samples)
    content = requantized_relu.with_requantized_relus(before)
    assert operators(before) - operators(content) == {"RELU"}
    reference = {"experimental_op_resolver_type": REFERENCE}
    expected = outputs_of(before, samples, **reference)
    np.testing.assert_array_equal(outputs_of(content, samples, **reference), expected)
    step = np.unique(expected)[1]  # the outputs are whole numbers of steps
    assert expected.min() == 0 < step < expected.max() / 50
    # XNNPACK rounds otherwise, in the convolution and in products of 8 bits here.
    np.testing.assert_allclose(outputs_of(content, samples), expected, atol=2.01 * step)


def test_files_without_branches_and_floats_stay(samples):
    image = keras.Input((6, 6, 3))
    x = layers.ReLU()(image)
    plain = int8_content(keras.Model(image, x), samples[:1])
    floats = tflite_file(network()).content
    for content in (plain, floats):
        assert "RELU" in operators(content)
        assert requantized_relu.with_requantized_relus(content) == content
