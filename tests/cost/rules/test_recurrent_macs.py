"""MACs of recurrent layers: every step, the input and the state meet all gates' kernels."""

import keras
import pytest
from keras import layers

from keras_tnn.cost import count_macs

STEPS, FEATURES, UNITS = 5, 4, 3


def macs_of(layer, *shape):
    inputs = keras.Input(shape or (STEPS, FEATURES))
    return count_macs(keras.Model(inputs, layer(inputs)))


@pytest.mark.parametrize("kind, gates", [(layers.LSTM, 4), (layers.GRU, 3), (layers.SimpleRNN, 1)])
@pytest.mark.parametrize("sequences", [False, True])
def test_gates_of_each_kind(kind, gates, sequences):
    layer = kind(UNITS, return_sequences=sequences)
    assert macs_of(layer) == STEPS * (FEATURES + UNITS) * gates * UNITS


def test_stacked_cells():
    cells = [layers.LSTMCell(UNITS), layers.GRUCell(2)]
    expected = STEPS * ((FEATURES + UNITS) * 4 * UNITS + (UNITS + 2) * 3 * 2)
    assert macs_of(layers.RNN(cells)) == expected


def test_convolutional_lstm():
    # valid padding: 8 x 6 positions; the state's kernel stays at them
    expected = STEPS * (8 * 6) * 9 * (FEATURES + UNITS) * 4 * UNITS
    assert macs_of(layers.ConvLSTM2D(UNITS, 3), STEPS, 10, 8, FEATURES) == expected
    sequences = layers.ConvLSTM2D(UNITS, 3, return_sequences=True)
    assert macs_of(sequences, STEPS, 10, 8, FEATURES) == expected


class Cell(layers.Layer):
    """A cell of a kind that nobody knows."""

    state_size = output_size = FEATURES

    def build(self, shape):
        self.mixing = self.add_weight(shape=(shape[-1], shape[-1]), name="mixing")

    def call(self, x, states):
        return x @ self.mixing, states


def test_unknown_cell_is_named():
    with pytest.raises(ValueError, match=r"layer 'walk' \(RNN\) are unknown"):
        macs_of(layers.RNN(Cell(), name="walk"))


def test_unknown_number_of_steps():
    with pytest.raises(ValueError, match=r"layer 'lstm.*a size that is not known"):
        macs_of(layers.LSTM(UNITS), None, FEATURES)
