"""A small network at several widths, ready for a bundle in float32 and in int8."""

import keras
import numpy as np

from tnn_tflite.conversion.converted_level import ConvertedLevel
from tnn_tflite.conversion.converter import level_content
from tnn_tflite.quantization.plan import FLOAT, plan_for

SHAPE = (8, 8, 3)


def make_network(width: int) -> keras.Model:
    """A plain network with the operators of the usual ones."""
    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Conv2D(width, 3, activation="relu")(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Add()([x, keras.layers.Conv2D(width, 1)(x)])
    x = keras.layers.Dense(4)(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.Activation("softmax", name="scores")(x))


def level_contents(
    networks: dict[float, keras.Model], inference_type: str | None = None
) -> list[ConvertedLevel]:
    """Converts networks by their utilization: to float32, or to int8 with inputs of some type."""
    plan = FLOAT
    if inference_type is not None:
        data = np.random.default_rng(0).normal(size=(20, *SHAPE)).astype("float32")
        plan = plan_for("int8", data, inference_type, networks[1.0], keep_float=True)
    return [level_content(network, u, plan) for u, network in networks.items()]
