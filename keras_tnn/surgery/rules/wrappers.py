"""Layers around a layer: its MACs, as often as it runs."""

from dataclasses import replace

import keras
import numpy as np
from keras import layers

from keras_tnn.surgery.arguments import product
from keras_tnn.surgery.calls import LAST, Call
from keras_tnn.surgery.channels import CutTensor
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.macs import macs_of_call
from keras_tnn.surgery.registry import rule, rule_of
from keras_tnn.surgery.rule import Counted, Rule, indices
from keras_tnn.surgery.rules.convolution import Mixing
from keras_tnn.surgery.rules.elementwise import Elementwise
from keras_tnn.surgery.rules.per_channel import PerChannel


def macs_inside(layer: keras.layers.Layer, read) -> int:
    """MACs of a layer or model on a tensor, or several, `(batch, ...)`."""
    inputs = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype), read
    )
    graph = read_graph(keras.Model(inputs, layer(inputs)), at_inference=True)
    return sum(map(macs_of_call, graph.calls))


@rule(layers.TimeDistributed)
class TimeDistributedRule(Counted):
    """The same model or layer at every step."""

    def macs(self, call):
        # (batch, steps, ...) -> (batch, ...)
        batch, steps, *sample = call.inputs[0].shape
        one = keras.KerasTensor((batch, *sample), call.inputs[0].dtype)
        inside = macs_inside(call.operation.layer, one)
        return product(call, (steps,)) * inside


@rule(layers.TimeDistributed)
class LayerAtStepsRule(Rule):
    """A layer by its own rule, on the last axis of tensors that have one more in front."""

    def plain(self, call) -> tuple[Rule, Call]:
        """The rule of the layer, and the call as if it were the layer's own."""
        layer = call.operation.layer
        inner = replace(call, operation=layer, label=layer.name, kwargs={})
        return rule_of(inner), inner

    def applies(self, call):
        plain, inner = self.plain(call)
        by_parts = type(plain).build in (Rule.build, Elementwise.build)
        own = isinstance(plain, (Mixing, PerChannel, Elementwise)) and by_parts
        last = plain.looks_at(inner, call.inputs[0]) in (None, LAST)
        alone = len(call.inputs) == 1 and not isinstance(inner.operation, keras.Model)
        return own and last and alone

    def build(self, call, inputs, output, needed, builder):
        (plain, inner), (piece,) = self.plain(call), inputs
        kept = self.keep(call, [piece.channels], output.alive & needed)
        tensor = piece.align(np.flatnonzero(kept.reads[0]), call.name)
        left = indices(self.weights(call, kept))
        offset = plain.offset(inner, [piece.channels], kept)
        changes = {**plain.changes(inner, kept), **({} if offset is None else {"use_bias": True})}
        layer, is_new = builder.make(inner, changes, left, offset)
        name = builder.free_name(call.name)
        made = builder.call(call, layers.TimeDistributed(layer, name=name), [tensor])
        if is_new:
            builder.remember(layer, inner.operation, left, offset)
        return CutTensor(made, np.flatnonzero(kept.makes), output)


def delegate(name: str):
    """A method that asks the rule of the layer inside."""

    def ask(self, call, *given):
        plain, inner = self.plain(call)
        return getattr(plain, name)(inner, *given)

    return ask


ASKED = (
    "tie forward backward keep weights kernels positions terms axes macs products is_counted "
    "passes_values_on looks_up"
)
for method in ASKED.split():
    setattr(LayerAtStepsRule, method, delegate(method))


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
