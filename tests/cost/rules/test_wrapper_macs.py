"""MACs of layers around a layer: as if the inner layer stood there, as often as it runs."""

import keras
from keras import layers

from keras_tnn.cost import count_macs


def macs_of(layer, *shape):
    inputs = keras.Input(shape)
    return count_macs(keras.Model(inputs, layer(inputs)))


def test_time_distributed_layer():
    assert macs_of(layers.TimeDistributed(layers.Conv2D(5, 3)), 6, 8, 8, 4) == 6 * 36 * 9 * 4 * 5


def test_time_distributed_model():
    frame = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)]
    )
    expected = 36 * 9 * 3 * 4 + 36 * 4 * 2
    assert macs_of(layers.TimeDistributed(frame), 6, 8, 8, 3) == 6 * expected


def test_time_distributed_inside_time_distributed():
    layer = layers.TimeDistributed(layers.TimeDistributed(layers.Dense(3)))
    assert macs_of(layer, 6, 7, 4) == 6 * 7 * 4 * 3


def test_both_directions():
    layer = layers.Bidirectional(layers.LSTM(3, return_sequences=True))
    assert macs_of(layer, 5, 4) == 2 * (5 * (4 + 3) * 12)


def test_spectral_normalization():
    assert macs_of(layers.SpectralNormalization(layers.Dense(3)), 6, 4) == 6 * 4 * 3


def test_counting_leaves_the_wrapped_layer_as_it_was():
    dense = layers.Dense(3)
    inputs = keras.Input((6, 4))
    model = keras.Model(inputs, layers.TimeDistributed(dense)(inputs))
    before = model.to_json(), [id(weight) for weight in model.weights]
    assert count_macs(model) == count_macs(model)
    assert (model.to_json(), [id(weight) for weight in model.weights]) == before
