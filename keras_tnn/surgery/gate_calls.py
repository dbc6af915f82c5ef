"""Which gates a model has, and at which calls they decide."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_tnn.gates import Gate
from keras_tnn.gates.decision import call_key
from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.calls import Call, Graph, width
from keras_tnn.surgery.graph import read_graph


@dataclass(frozen=True)
class GateCall:
    """One call of a gate: a gate that is called twice decides twice.

    Attributes:
        gate: the gate, a node of the model or owned by a gated layer.
        key: that of the `Decision` which this call leaves.
        name: what `materialize(gates=...)` calls it: as the gate, or as the layer that owns it.
        call: the call; for a gate that a layer owns, as if it were a node.
        place: the tensor that the call in the graph makes, the gate's or the layer's.
    """

    gate: Gate
    key: str
    name: str
    call: Call
    place: Any


def gate_calls(graph: Graph) -> list[GateCall]:
    """The calls of gates in running order, which is the order of the decisions of a pass.

    Args:
        graph: of a model, as `read_graph` lists it.

    Returns:
        A list of `GateCall`.
    """
    found, keys, names = [], Counter(), Counter()
    for call in graph.calls:
        made = call_of_gate(call)
        if made is None:
            continue
        own = made.operation.name  # by which its decisions go
        key, name = call_key(own, keys[own]), call_key(call.name, names[call.name])
        found.append(GateCall(made.operation, key, name, made, call.outputs[0]))
        keys[own] += 1
        names[call.name] += 1
    return found


def find_gates(graph: Graph, name: str) -> list[GateCall]:
    """As `gate_calls`, of a model that must have some.

    Raises:
        ValueError: if it has none.
    """
    found = gate_calls(graph)
    if not found:
        raise ValueError(
            f"Model '{name}' has no gates. Expected gates of keras_tnn.gates that layers of "
            "keras_tnn.layers obey, for example keras_tnn.throttle(model, gate=...)."
        )
    return found


def gates_of(model: keras.Model | Graph) -> list[Gate]:
    """The gates that a model obeys, each once, in running order.

    A layer that obeys a node does not use the gate that it holds.

    Args:
        model: a built functional or sequential model, or its graph.

    Returns:
        A list of `keras_tnn.gates.Gate`.

    Raises:
        ValueError: if the model has no graph.
    """
    return each_once(gate_calls(model if isinstance(model, Graph) else read_graph(model)))


def each_once(calls: Iterable[GateCall]) -> list[Gate]:
    """The gates of some calls, in the order of their first ones."""
    return list({id(one.gate): one.gate for one in calls}.values())


def groups_of(call: Call) -> np.ndarray:
    """For each channel that a gated layer makes its group, or -1 where it is always open."""
    return call.operation.groups_of(width(call.output))


def call_of_gate(call: Call) -> Call | None:
    """The call itself if it is a gate's, or the call that a gated layer makes of its own gate."""
    if isinstance(call.operation, Gate):
        return call
    if not isinstance(call.operation, Gated) or len(call.inputs[1].shape) > 1:
        return None
    features, control = call.inputs[:2]
    gate = call.operation.gate
    output = keras.KerasTensor((None, gate.num_groups))
    return Call(gate, (control,), {"features": features}, (control, features), output)
