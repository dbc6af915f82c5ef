"""Conditional execution: counted with every gate open, and the gates as well."""

from dataclasses import replace

from keras_tnn.cost.macs import macs_of_call, macs_rule
from keras_tnn.layers.conditional_sum import ConditionalSum
from keras_tnn.layers.hard_gate import HardGate
from keras_tnn.surgery.graph import Call, read_graph


@macs_rule(ConditionalSum)
def all_terms(call: Call) -> int:
    """As if no term were skipped."""
    return sum(
        macs_of_call(inner) for term in call.operation.terms for inner in read_graph(term).calls
    )


@macs_rule(HardGate)
def gate_itself(call: Call) -> int:
    return macs_of_call(replace(call, operation=call.operation.gate))
