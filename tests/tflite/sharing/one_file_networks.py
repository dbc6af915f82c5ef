"""Levels of small networks, as the converter leaves them."""

import io
from dataclasses import replace

import keras
import numpy as np
from keras import layers

import keras_tnn as tnn
from random_weights import randomized
from tnn_tflite.conversion.converter import level_content
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.quantization.plan import FLOAT, plan_for
from tnn_tflite.sharing.cut_level import cut_level
from tnn_tflite.sharing.share import share

SHAPE = (12, 12, 3)
IMAGES = np.random.default_rng(0).normal(size=(32, *SHAPE)).astype("float32")


def plain_network():
    """Every kind of kernel, batch norms that turn signs, a residual block, a dense layer."""
    image = keras.Input(SHAPE, name="image")
    x = convolved(image, layers.Conv2D(16, 3, padding="same", use_bias=False))
    x = convolved(x, layers.DepthwiseConv2D(3, padding="same", use_bias=False))
    y = convolved(x, layers.Conv2D(16, 3, padding="same"))
    x = layers.Add()([x, layers.Conv2D(16, 1)(y)])
    x = convolved(x, layers.Conv2DTranspose(16, 3, padding="same", use_bias=False))
    x = layers.Dense(32, activation="relu")(layers.Flatten()(layers.MaxPooling2D(3)(x)))
    return keras.Model(image, layers.Dense(5, name="logits")(x))


def convolved(x, layer):
    return layers.ReLU()(layers.BatchNormalization()(layer(x)))


def throttled_network(axes=("width",)):
    model = randomized(plain_network())
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            signs = rng.choice([-1, 1], layer.gamma.shape)
            layer.gamma.assign(layer.gamma * signs)
    return tnn.throttle(model, num_groups=4, axes=axes)


def contents_of(model, levels, quantization=None, images=IMAGES):
    """`ConvertedLevel` of each level, its statistics estimated anew."""
    cuts = [tnn.surgery.cut_out(model, u, calibration_data=images) for u in levels]
    plan = FLOAT
    if quantization:
        plan = plan_for(quantization, images, "float32", cuts[-1].model, keep_float=True)
    return [level_content(c.model, u, plan, c.slices) for c, u in zip(cuts, levels, strict=True)]


def in_float(contents):
    """The same levels in float32."""
    return [replace(level, content=level.float_content, float_content=None) for level in contents]


def own_files(levels):
    """The file of each level as it is cut from the shared file."""
    shared = io.BytesIO(share(levels))
    return [cut_level(shared, index, len(level.content)) for index, level in enumerate(levels)]


def outputs_of(content, images=IMAGES, runtime=None, signature=None):
    """What a TFLite file gives for some images, `(count, 5)`."""
    interpreter = find_runtime(runtime).interpreter(content)
    run = interpreter.get_signature_runner(signature)
    return np.concatenate([run(image=image[None])["logits"] for image in images])
