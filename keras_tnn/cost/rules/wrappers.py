"""Layers around a layer: its MACs, as often as it runs."""

import keras
from keras import layers

from keras_tnn.cost.macs import macs_of_call, macs_rule, product
from keras_tnn.surgery.graph import Call, read_graph


def macs_inside(layer: keras.layers.Layer, shape: tuple, dtype: str) -> int:
    """MACs of a layer or model on one input `(batch, ...)`."""
    inputs = keras.Input(batch_shape=shape, dtype=dtype)
    return sum(map(macs_of_call, read_graph(keras.Model(inputs, layer(inputs))).calls))


@macs_rule(layers.TimeDistributed)
def each_step(call: Call) -> int:
    # (batch, steps, ...) -> (batch, ...)
    batch, steps, *sample = call.inputs[0].shape
    inside = macs_inside(call.operation.layer, (batch, *sample), call.inputs[0].dtype)
    return product(call, (steps,)) * inside


@macs_rule(layers.Bidirectional)
def both_directions(call: Call) -> int:
    ways = (call.operation.forward_layer, call.operation.backward_layer)
    return sum(macs_inside(way, call.inputs[0].shape, call.inputs[0].dtype) for way in ways)


@macs_rule(layers.SpectralNormalization)
def wrapped(call: Call) -> int:
    """At inference the wrapped layer alone runs: the kernel was normalised in training."""
    return macs_inside(call.operation.layer, call.inputs[0].shape, call.inputs[0].dtype)
