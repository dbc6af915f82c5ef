"""Small networks with exits, the second around a skip."""

import keras
import numpy as np

SHAPE = (8, 8, 3)
EXITS = ("first", "second", "scores")
layers = keras.layers


def head(x, name):
    return layers.Dense(4, name=name)(layers.GlobalAveragePooling2D()(x))


def make_network_with_exits() -> keras.Model:
    """A skip goes around the first exit, and the last segment reads the image again."""
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(image)
    inside = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    after = layers.Add()([x, layers.Conv2D(6, 3, padding="same")(inside)])
    last = layers.Conv2D(8, 3, activation="relu")(layers.Concatenate()([after, image]))
    return keras.Model(image, [head(inside, "first"), head(after, "second"), head(last, "scores")])


def images(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, *SHAPE)).astype("float32")
