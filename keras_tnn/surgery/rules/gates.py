"""What it costs to decide, as herrmann2019 (S1.4) counts it.

A gate that is decided once and for all, or that counts groups by u, costs nothing.
"""

import math

from keras_tnn.gates import (
    Blind,
    BudgetPolicy,
    Convolutional,
    DataDependent,
    DataIndependent,
    Recurrent,
)
from keras_tnn.surgery.arguments import argument, product
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Rule
from keras_tnn.surgery.rules.recurrent import step
from keras_tnn.surgery.rules.wrappers import macs_inside


@rule(DataIndependent)
class DataIndependentRule(Rule):
    """Decided once and for all."""

    def macs(self, call):
        return 0


@rule(DataDependent)
class DataDependentRule(Rule):
    """The mean over positions, height x width x channels, and the networks of all groups.

    Elsewhere pooling counts zero; here the paper counts it, to err on the side of caution.
    """

    def macs(self, call):
        gate, shape = call.operation, argument(call, 1, "features").shape
        pooling = product(call, shape[1:]) if len(shape) > 2 else 0
        dense = [gate.hidden, gate.pairs, *([gate.recall, gate.revised] if gate.memory else [])]
        return pooling + sum(math.prod(layer.kernel.shape) for layer in dense)


@rule(Blind)
class BlindRule(Rule):
    """FC(1, 32) and FC(32, n)."""

    def macs(self, call):
        gate = call.operation
        return sum(math.prod(layer.kernel.shape) for layer in (gate.hidden, gate.output_logits))


@rule(BudgetPolicy)
class BudgetPolicyRule(Rule):
    """The extractor and the actor; the critic runs in training only."""

    def macs(self, call):
        gate, image = call.operation, argument(call, 2, "image")
        dense = sum(math.prod(layer.kernel.shape) for layer in (gate.actor_hidden, gate.actor))
        return macs_inside(gate.extractor, image) + dense


@rule(Recurrent)
class RecurrentGateRule(Rule):
    """A step of the LSTM and the logits; the layers in front of it are counted by themselves."""

    def macs(self, call):
        gate = call.operation
        return step(gate.cell) + math.prod(gate.output_logits.kernel.shape)


@rule(Convolutional)
class ConvolutionalGateRule(Rule):
    """The convolutions and the dense layer."""

    def macs(self, call):
        gate, features = call.operation, argument(call, 1, "features")
        return macs_inside(gate.looking, features) + math.prod(gate.output_logits.kernel.shape)
