"""Conditional execution: counted with every gate open, and the gates as well."""

from dataclasses import replace

from keras_tnn.layers.conditional_sum import ConditionalSum
from keras_tnn.layers.hard_gate import HardGate
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.macs import macs_of_call
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Rule


@rule(ConditionalSum)
class ConditionalSumRule(Rule):
    """All terms, as if none were skipped."""

    def macs(self, call):
        return sum(
            macs_of_call(inner) for term in call.operation.terms for inner in read_graph(term).calls
        )


@rule(HardGate)
class HardGateRule(Rule):
    """The gate inside."""

    def macs(self, call):
        return macs_of_call(replace(call, operation=call.operation.gate))
