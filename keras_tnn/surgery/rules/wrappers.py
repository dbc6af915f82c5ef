"""Layers around a layer: its MACs, as often as it runs."""

import keras
from keras import layers

from keras_tnn.surgery.arguments import product
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.macs import macs_of_call
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Counted, Rule


def macs_inside(layer: keras.layers.Layer, read) -> int:
    """MACs of a layer or model on a tensor, or several, `(batch, ...)`."""
    inputs = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype), read
    )
    graph = read_graph(keras.Model(inputs, layer(inputs)), at_inference=True)
    return sum(map(macs_of_call, graph.calls))


@rule(layers.TimeDistributed)
class TimeDistributedRule(Counted):
    """The same layer at every step. Its channels are not followed."""

    def macs(self, call):
        # (batch, steps, ...) -> (batch, ...)
        batch, steps, *sample = call.inputs[0].shape
        one = keras.KerasTensor((batch, *sample), call.inputs[0].dtype)
        inside = macs_inside(call.operation.layer, one)
        return product(call, (steps,)) * inside


@rule(layers.Bidirectional)
class BidirectionalRule(Rule):
    """Two recurrent layers."""

    def macs(self, call):
        ways = (call.operation.forward_layer, call.operation.backward_layer)
        return sum(macs_inside(way, call.inputs[0]) for way in ways)


@rule(layers.SpectralNormalization)
class SpectralNormalizationRule(Counted):
    """At inference the wrapped layer alone runs: the kernel was normalised in training."""

    def macs(self, call):
        return macs_inside(call.operation.layer, call.inputs[0])
