"""What it costs to decide, as herrmann2019 (S1.4) counts it.

A gate that is decided once and for all, or that counts groups by u, costs nothing.
"""

import math

from keras_tnn.cost.macs import macs_rule, product
from keras_tnn.cost.rules.arguments import argument
from keras_tnn.gates import Blind, DataDependent, DataIndependent
from keras_tnn.surgery.graph import Call


@macs_rule(DataIndependent)
def data_independent(call: Call) -> int:
    return 0


@macs_rule(DataDependent)
def data_dependent(call: Call) -> int:
    """The mean over positions, height x width x channels, and the networks of all groups.

    Elsewhere pooling counts zero; here the paper counts it, to err on the side of caution.
    """
    gate, shape = call.operation, argument(call, 1, "features").shape
    pooling = product(call, shape[1:]) if len(shape) > 2 else 0
    dense = [gate.hidden, gate.pairs, *([gate.recall, gate.revised] if gate.memory else [])]
    return pooling + sum(math.prod(layer.kernel.shape) for layer in dense)


@macs_rule(Blind)
def blind(call: Call) -> int:
    """FC(1, 32) and FC(32, n)."""
    gate = call.operation
    return sum(math.prod(layer.kernel.shape) for layer in (gate.hidden, gate.output_logits))
