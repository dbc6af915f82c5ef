"""Layers and networks at every step of a sequence."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn
from random_weights import randomized

CLIPS = np.random.default_rng(1).normal(size=(2, 3, 8, 8, 3)).astype("float32")


def each(layer, x):
    return layers.TimeDistributed(layer)(x)


def apart(x):
    """Layer by layer."""
    x = each(layers.Conv2D(8, 3), x)
    x = each(layers.BatchNormalization(), each(layers.ReLU(), x))
    x = each(layers.DepthwiseConv2D(3), each(layers.MaxPooling2D(), x))
    return each(layers.Dense(8), each(layers.Flatten(), x))


def together(x):
    """One network, in another."""
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(8, 3), layers.ReLU()])
    image = keras.Input((8, 8, 3))
    x_inside = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, padding="same")(inner(image)))
    return each(keras.Model(image, layers.Dense(8)(x_inside)), x)


@pytest.mark.parametrize("steps", [apart, together])
def test_a_network_at_every_step_is_followed(steps):
    clip = keras.Input(CLIPS.shape[1:])
    x = layers.LSTM(4)(steps(clip))
    model = randomized(keras.Model(clip, layers.Dense(3)(x)))
    dialled = tnn.throttle(model, num_groups=4, strict=True)
    np.testing.assert_allclose(dialled(CLIPS), model(CLIPS), rtol=0, atol=1e-6)
    assert tnn.count_macs(dialled) == tnn.count_macs(model)
    small = tnn.materialize(dialled, 0.5)
    masked = dialled([CLIPS, np.full(2, 0.5, "float32")])
    np.testing.assert_allclose(small(CLIPS), masked, rtol=1e-4, atol=1e-5)  # sums in another order
    assert tnn.count_macs(small) < tnn.count_macs(model)


def test_macs_of_half_of_the_channels_by_hand():
    clip = keras.Input((3, 8, 8, 3))
    x = each(layers.Conv2D(8, 3), each(layers.Conv2D(8, 3), clip))
    model = keras.Model(clip, layers.Dense(3)(layers.GlobalAveragePooling3D()(x)))
    small = tnn.materialize(tnn.throttle(model, num_groups=4, strict=True), 0.5)
    assert tnn.count_macs(small) == 3 * (36 * 9 * 3 * 4 + 16 * 9 * 4 * 4) + 4 * 3
