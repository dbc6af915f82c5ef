"""Channels taken and put back between others, with the mask that a tensor carries."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_tnn.layers import SelectedChannels

X = np.arange(24, dtype="float32").reshape(2, 3, 4)


def test_all_channels_in_order_are_the_identity():
    np.testing.assert_array_equal(SelectedChannels(range(4))(X), X)


@pytest.mark.parametrize("channels", [[1, 2], [0, 3], [-1, 1, -1, 3], [0, -1]])
def test_channels_and_constants(channels):
    made = SelectedChannels(channels, constants=[7] * len(channels))(X)
    for place, channel in enumerate(channels):
        np.testing.assert_array_equal(made[..., place], X[..., channel] if channel >= 0 else 7)


def test_the_mask_goes_on():
    tokens = keras.Input((3,), dtype="int32")
    x = SelectedChannels([1, -1])(layers.Embedding(5, 4, mask_zero=True)(tokens))
    model = keras.Model(tokens, layers.GlobalAveragePooling1D()(x))
    data = np.array([[1, 2, 0], [3, 0, 0]])
    table = model.layers[1].get_weights()[0]
    expected = [[(table[1, 1] + table[2, 1]) / 2, 0], [table[3, 1], 0]]
    np.testing.assert_allclose(model.predict(data, verbose=0), expected, rtol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="`channels`. Expected integers that rise"):
        SelectedChannels([2, 1])
    with pytest.raises(ValueError, match="`constants`. Expected 2 numbers"):
        SelectedChannels([1, 2], constants=[0])


def test_channels_may_lie_on_another_axis():
    x = np.arange(12.0).reshape(1, 3, 4)
    found = keras.ops.convert_to_numpy(SelectedChannels([-1, 2], [5, 0], axis=-2)(x))
    np.testing.assert_array_equal(found, [[[5, 5, 5, 5], [8, 9, 10, 11]]])


def test_refuses_an_axis_from_the_front():
    with pytest.raises(ValueError, match="Expected a negative integer, counted from the end"):
        SelectedChannels([0], axis=1)
