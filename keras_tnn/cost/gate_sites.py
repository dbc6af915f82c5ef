"""Where the gates of a model stand, and what they chose in one forward pass as one matrix."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

import keras
import numpy as np
from keras import ops

from keras_tnn.gates import Gate, LearnedGate, Reading
from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.graph import Call, Graph


@dataclass(frozen=True)
class GateSite:
    """One gate of a model.

    Attributes:
        gate: the gate, a node of the model or owned by gated layers.
        names: what `materialize(gates=...)` calls it: its own name, or those of its layers.
        calls: the calls of the gate; for one that a layer owns, as if it were a node.
    """

    gate: Gate
    names: tuple[str, ...]
    calls: tuple[Call, ...]

    @property
    def free(self) -> list[int]:
        """The groups that may close."""
        groups = range(self.gate.num_groups)
        return list(self.gate.free if isinstance(self.gate, LearnedGate) else groups)

    @property
    def may_close(self) -> bool:
        """Whether all of several groups may be closed at once."""
        groups = self.gate.num_groups
        return len(self.free) == groups > 1 and not self.gate.min_groups


def find_gates(graph: Graph, name: str) -> list[GateSite]:
    """The gates of a graph in the order of their first calls.

    Args:
        graph: of the model.
        name: of the model, for the error.

    Raises:
        ValueError: if the model has no gate, or a learned gate is called several times.
    """
    sites: dict[int, GateSite] = {}
    for call in graph.calls:
        gate_call = call_of_gate(call)
        if gate_call is None:
            continue
        gate = gate_call.operation
        site = sites.get(id(gate), GateSite(gate, (), ()))
        names = tuple(dict.fromkeys((*site.names, call.name)))
        sites[id(gate)] = replace(site, names=names, calls=(*site.calls, gate_call))
    if not sites:
        raise ValueError(
            f"Model '{name}' has no gates. Expected gates of keras_tnn.gates that layers of "
            "keras_tnn.layers obey, for example keras_tnn.throttle(model, gate=...)."
        )
    twice = [
        site.gate.name
        for site in sites.values()
        if isinstance(site.gate, LearnedGate) and len(site.calls) > 1
    ]
    if twice:
        raise ValueError(
            f"The learned gates {twice} of model '{name}' are called several times, and draw each "
            "time. Expected each to be called once: give its output to all that shall obey it."
        )
    return list(sites.values())


def call_of_gate(call: Call) -> Call | None:
    """The call itself if it is a gate's, or the call that a gated layer makes of its own gate."""
    if isinstance(call.operation, Gate):
        return call
    if not isinstance(call.operation, Gated) or len(call.inputs[1].shape) > 1:
        return None
    features, control = call.inputs
    gate = call.operation.gate
    output = keras.KerasTensor((None, gate.num_groups))
    return Call(gate, (control,), {"features": features}, (control, features), output)


def read_values(sites: Iterable[GateSite], readings: Iterable[Reading]):
    """What the gates chose, side by side: float tensor `(batch, groups of all gates)`.

    Args:
        sites: the gates, in the order of the columns.
        readings: of one forward pass; of a gate that was called several times the first counts.

    Raises:
        ValueError: if a gate left no reading.
    """
    chosen = {id(reading.gate): reading.values for reading in reversed(list(readings))}
    missing = [site.names[0] for site in sites if id(site.gate) not in chosen]
    if missing:
        raise ValueError(
            f"The gates {missing} left no reading. Expected the readings of one forward pass: "
            "call the model inside `keras_tnn.gates.read_gates()`. "
            f"Received readings of {len(chosen)} gates."
        )
    values = [ops.cast(chosen[id(site.gate)], "float32") for site in sites]
    # A gate that is alike for all samples may have one row: (1 or batch, D) -> (batch, D).
    rows = reduce(lambda ones, one: ones * ops.ones_like(one[:, :1]), values, np.ones((1, 1)))
    return ops.concatenate([one * ops.cast(rows, "float32") for one in values], axis=-1)
