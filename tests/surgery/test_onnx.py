"""A level goes to ONNX at once, and ONNX Runtime answers as Keras does."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from random_weights import randomized

pytest.importorskip("tf2onnx", reason="tf2onnx is the extra 'onnx'")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is the extra 'onnx'")

if keras.backend.backend() != "tensorflow":
    pytest.skip("Keras exports to ONNX in another way there", allow_module_level=True)

# Keras' own export looks up a name that numpy will give another meaning.
pytestmark = pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")


def vgg():
    return tnn.models.VGG((8, 8, 3), 10, 4, filters=((8,), (8,)), dense_units=16)


def of_two_inputs():
    images = keras.Input((8, 8, 3), name="image"), keras.Input((8, 8, 3), name="mirror")
    convolution = keras.layers.Conv2D(8, 3, padding="same", activation="relu")
    both = keras.layers.Add()([convolution(x) for x in images])
    pooled = keras.layers.GlobalAveragePooling2D()(both)
    return tnn.throttle(keras.Model(images, keras.layers.Dense(4)(pooled)), num_groups=4)


def depthwise():
    x = image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 1, activation="relu6")(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2D(16, 1, activation="swish")(x)
    return tnn.throttle(
        keras.Model(image, keras.layers.Dense(4)(keras.layers.Flatten()(x))), num_groups=4
    )


@pytest.mark.parametrize("network", [vgg, of_two_inputs, depthwise])
def test_answers_are_those_of_the_level(network, tmp_path):
    level = tnn.materialize(randomized(network()), 0.5)
    path = str(tmp_path / "half.onnx")
    level.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    rng = np.random.default_rng(0)
    batch = [rng.normal(size=(3, 8, 8, 3)).astype("float32") for _ in level.inputs]
    names = [one.name for one in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, batch, strict=True)))
    expected = level(batch if len(batch) > 1 else batch[0])
    # the same sums in another order; float32, three layers
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-5)
