"""Recurrent layers: at every step the input meets one kernel and the state another."""

import math

from keras import layers

from keras_tnn.surgery.arguments import product
from keras_tnn.surgery.macs import unknown_macs
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Rule

CELLS = (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)


@rule(layers.LSTM, layers.GRU, layers.SimpleRNN, layers.RNN)
class RecurrentRule(Rule):
    """Steps of one or several cells."""

    def macs(self, call):
        cell = call.operation.cell
        cells = cell.cells if isinstance(cell, layers.StackedRNNCells) else [cell]
        if not all(isinstance(one, CELLS) for one in cells):
            raise unknown_macs(call)
        # (batch, steps, features)
        return product(call, (call.inputs[0].shape[1],)) * sum(map(step, cells))


def step(cell) -> int:
    """MACs of one step: the kernels hold all gates of a cell side by side."""
    return math.prod(cell.kernel.shape) + math.prod(cell.recurrent_kernel.shape)


@rule(layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)
class ConvLSTMRule(Rule):
    """Both kernels run at the positions of the output, once a step."""

    def macs(self, call):
        layer, shape = call.operation, call.outputs[0].shape
        spatial = shape[2:] if layer.return_sequences else shape[1:]
        spatial = spatial[1:] if layer.data_format == "channels_first" else spatial[:-1]
        steps = call.inputs[0].shape[1]
        return product(call, (steps, *spatial)) * step(layer.cell)
