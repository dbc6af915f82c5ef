"""Recurrent layers: at every step the input meets one kernel and the state another."""

import math

from keras import layers

from keras_tnn.cost.macs import macs_rule, product, warn_of_zero
from keras_tnn.surgery.graph import Call

CELLS = (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)


@macs_rule(layers.LSTM, layers.GRU, layers.SimpleRNN, layers.RNN)
def recurrence(call: Call) -> int:
    cell = call.operation.cell
    cells = cell.cells if isinstance(cell, layers.StackedRNNCells) else [cell]
    if not all(isinstance(one, CELLS) for one in cells):
        warn_of_zero(call.operation)
        return 0
    # (batch, steps, features)
    return product(call, (call.inputs[0].shape[1],)) * sum(map(step, cells))


def step(cell) -> int:
    """MACs of one step: the kernels hold all gates of a cell side by side."""
    return math.prod(cell.kernel.shape) + math.prod(cell.recurrent_kernel.shape)


@macs_rule(layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)
def convolutional_recurrence(call: Call) -> int:
    """Both kernels run at the positions of the output, once a step."""
    layer, shape = call.operation, call.outputs[0].shape
    spatial = shape[2:] if layer.return_sequences else shape[1:]
    spatial = spatial[1:] if layer.data_format == "channels_first" else spatial[:-1]
    steps = call.inputs[0].shape[1]
    return product(call, (steps, *spatial)) * step(layer.cell)
