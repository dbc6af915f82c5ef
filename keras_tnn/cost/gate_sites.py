"""Where the gates of a model stand."""

from dataclasses import dataclass, replace

import keras

from keras_tnn.gates import Gate, LearnedGate
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
