"""Small networks that exits are added to."""

import keras
import numpy as np
from keras import layers

import keras_tnn as tnn

CLASSES = 3


def chain() -> keras.Model:
    """Four convolutions on 8x8 images, "conv1" to "conv4", and a dense layer "classes"."""
    x = image = keras.Input((8, 8, 3), name="image")
    for number, (filters, strides) in enumerate(((4, 1), (8, 1), (16, 2), (16, 1)), start=1):
        x = layers.Conv2D(
            filters, 3, strides, padding="same", activation="relu", name=f"conv{number}"
        )(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(CLASSES, activation="softmax", name="classes")(x)
    return keras.Model(image, outputs, name="chain")


def chain_with_exits(**arguments) -> tnn.exits.ExitsModel:
    return tnn.add_exits(chain(), at=["conv1", "conv2"], **arguments)


def dialled(**arguments) -> tnn.exits.ThrottledExitsModel:
    """A throttled network of four 3x3 convolutions with two early exits."""
    network = tnn.models.VGG(
        (8, 8, 3), CLASSES, num_groups=4, filters=((8, 8), (16, 16)), dense_units=None, **arguments
    )
    return tnn.add_exits(network, at=["conv1_1_gate", "conv1_2_gate"])


def samples(count=8) -> tuple[np.ndarray, np.ndarray]:
    """Images and class numbers."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 8, 8, 3)).astype("float32"), np.arange(count) % CLASSES


def compiled(model: keras.Model, **arguments) -> keras.Model:
    arguments = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **arguments}
    model.compile("sgd", **arguments)
    return model
