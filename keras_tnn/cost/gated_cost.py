"""What a model costs as a function of its gates: MACs or energy, exact for zeros and ones.

herrmann2019 (3.4) counts FLOPs from the gates: a MobileNetV2 block takes H W C_exp (C_in + 9 / s^2
+ C_out / s^2) with the numbers of active channels. Here that is done for every call of any model
that surgery can follow, by the numbers of channels that the cut model would have.
"""

import math
from dataclasses import dataclass, replace

import keras
import numpy as np

from keras_tnn.cost.deciding import Deciding, deciding_of
from keras_tnn.cost.energy import EnergyModel
from keras_tnn.cost.gate_polynomial import GatePolynomial
from keras_tnn.cost.layer_costs import cost_of, sum_of
from keras_tnn.cost.memory import moved_bytes, tensor_bytes, weight_bytes
from keras_tnn.cost.part_conditions import find_conditions
from keras_tnn.cost.remainder import Product, Remainder
from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.calls import Call, Graph
from keras_tnn.surgery.channels import by_tensor
from keras_tnn.surgery.gate_calls import GateCall, find_gates
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.macs import macs_of_call
from keras_tnn.surgery.registry import rule_of
from keras_tnn.surgery.rule import Axes, Kept


@dataclass(frozen=True)
class GatedCost:
    """The cost of a model for a batch of one, given what its gates chose.

    Call arguments:
        values: which groups are open, float tensor `(batch, groups)`: those of all gates side by
            side, in the order of `sites`. Gradients reach it.

    Attributes:
        sites: the calls of gates; each has columns of its own.
        network: the cost of the network as a polynomial in the gates.
        gates: the cost of the gates themselves, which is spared where a block around is closed.
    """

    sites: tuple[GateCall, ...]
    network: GatePolynomial
    gates: Deciding

    @property
    def ungated(self) -> float:
        """The cost of the network without gates: all of it runs."""
        return self.network.whole

    def __call__(self, values):
        """The cost of each sample, gates included: float tensor `(batch,)`."""
        return self.network(values) + self.gates(values)


def gated_macs(model: keras.Model) -> GatedCost:
    """Multiply-accumulates as a function of the gates, as `count_macs(materialize(model, gates))`.

    Data-dependent gates add their own, by the rule of their kind.

    Args:
        model: functional model with gates. Changes of its layers afterwards are not seen.

    Returns:
        `GatedCost` in MACs.

    Raises:
        ValueError: if the model has no gates or no graph, if a layer or gate that multiplies has
            no rule, or if channels do not depend on the gates as products.
    """
    return gated_cost(model, mac_products, macs_of_call)


def gated_energy(model: keras.Model, energy_model: EnergyModel | None = None) -> GatedCost:
    """Joules as a function of the gates, by the rules of `keras_tnn.cost.energy`.

    What `materialize` adds to put closed channels back, where a sum needs them, is not counted. A
    slice that takes all that is left of a tensor is counted as a slice.

    Args:
        model: as for `gated_macs`.
        energy_model: what accesses and MACs cost; `EnergyModel()` by default.

    Returns:
        `GatedCost` in Joules.

    Raises:
        ValueError: as `gated_macs`.
    """
    energy_model = energy_model or EnergyModel()
    nothing = sum_of(())
    a_mac = energy_model.energy(replace(nothing, macs=1))
    a_byte = energy_model.energy(replace(nothing, moved_bytes=1))

    def products(call: Call, kept: Kept, whole: set[int]) -> list[Product]:
        moved = byte_products(call, kept) + taken_out(call, kept, whole)
        parts = [(mac_products(call, kept, whole), a_mac), (moved, a_byte)]
        return [replace(p, weight=price * p.weight) for one, price in parts for p in one]

    def of_gate(call: Call) -> float:
        # What needs no MACs is decided once, not for every sample.
        return energy_model.energy(cost_of(call, set())) if macs_of_call(call) else 0.0

    return gated_cost(model, products, of_gate)


def gated_cost(model: keras.Model, products, of_gate) -> GatedCost:
    """Any cost that is made of products of numbers of channels.

    Args:
        model: functional model with gates.
        products: as `Remainder` takes it.
        of_gate: from the call of a gate, its cost.
    """
    graph = read_graph(model)
    sites = find_gates(graph, model.name)
    check_counted(graph, sites)
    remainder = Remainder(graph, sites, products)
    polynomial = GatePolynomial(find_conditions(remainder))
    return GatedCost(tuple(sites), polynomial, deciding_of(remainder, of_gate))


def check_counted(graph: Graph, sites: list[GateCall]):
    """Raises ValueError for layers and gates that multiply and have no rule."""
    calls = [x for x in graph.calls if not isinstance(x.operation, Gated)]
    calls += [site.call for site in sites]
    unknown = {x.name for x in calls if not rule_of(x).is_counted(x)}
    if unknown:
        raise ValueError(
            f"The cost of the gates is unknown: no rule counts the MACs of {sorted(unknown)}. "
            "`keras_tnn.surgery.rule` registers a rule for their kind."
        )


def mac_products(call: Call, kept: Kept, whole: set[int]) -> list[Product]:
    """The MACs of a call: those of each kernel, in proportion to its channels."""
    rule = rule_of(call)
    if not (rule.in_cut and rule.is_counted(call)):
        return []
    return [over(axes, macs, call, kept) for macs, axes in rule.products(call, kept) if macs]


def byte_products(call: Call, kept: Kept) -> list[Product]:
    """The bytes that a call moves: weights, inputs and outputs."""
    rule = rule_of(call)
    if not rule.in_cut:
        return []
    if rule.looks_up(call):  # all of it, or nothing
        return [over((), moved_bytes(call), call, kept)]
    pairs = zip(own_weights(call.operation), rule.weights(call, kept), strict=False)
    products = [over(axes, weight_bytes([w]), call, kept) for w, axes in pairs]
    if not rule.passes_values_on(call):
        made = list(zip(call.outputs, by_tensor(kept.makes, call.outputs), strict=True))
        read = made if rule.takes else zip(call.inputs, kept.reads, strict=True)
        ends = [*read, *made]
        products += [over((axis,), tensor_bytes(call, (x,)), call, kept) for x, axis in ends]
    return products


def taken_out(call: Call, kept: Kept, whole: set[int]) -> list[Product]:
    """The bytes of taking some channels out of a tensor that is made whole.

    That is a call of its own in the cut model: it reads and writes the channels that are wanted.
    It is not there where all are.
    """
    products = []
    once = {id(x): (x, reads) for x, reads in zip(call.inputs, kept.reads, strict=True)}
    for x, reads in once.values():
        if id(x) in whole and len(reads) > 1:
            size = 2 * tensor_bytes(call, (x,))
            taken = ((size, reads), (-size, [reads.all()]))
            products += [over((np.array(axis),), total, call, kept) for total, axis in taken]
    return products


def own_weights(operation) -> list:
    """The weights of a layer without those of its gate."""
    gate = getattr(operation, "gate", None)
    of_gate = {id(w) for w in getattr(gate, "weights", ())}
    return [w for w in getattr(operation, "weights", ()) if id(w) not in of_gate]


def over(axes: Axes, total: float, call: Call, kept: Kept) -> Product:
    """A cost that all channels of the axes share alike; with no axis, all of it or nothing."""
    masks = tuple(axis for axis in axes if axis is not None) or (kept.runs,)
    return Product(total / math.prod(map(len, masks)), masks, call.name)
