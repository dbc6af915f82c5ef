"""A model whose policy decides for the whole network, in two: the policy, and what obeys it.

`keras_tnn.surgery.conditional` makes one network of both, in which u is a constant. Apart, the
policy takes any budget, and who has its answer can do without what it closes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import keras
import numpy as np
from keras import ops

from keras_tnn.gates.inference import check_threshold
from keras_tnn.layers.conditional_sum import ConditionalSum
from keras_tnn.layers.hard_gate import HardGate
from keras_tnn.surgery.calls import Call, substitute, tensors_in, width
from keras_tnn.surgery.conditional import check_gates, with_hard_gates
from keras_tnn.surgery.cut import cut_known
from keras_tnn.surgery.gate_calls import gates_of
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.macs import macs_of_call
from keras_tnn.surgery.materialize import read_throttled_graph
from keras_tnn.surgery.recalibrate import batches_of, recalibrate
from keras_tnn.surgery.skipping import skipping
from keras_tnn.surgery.slices import copy_all
from keras_tnn.utilization import check_levels, check_one

BUDGET, GATES = "budget", "gates"  # what the policy reads beside the inputs, and what it answers


@dataclass(frozen=True)
class PolicyApart:
    """A policy, and the network that it opens and closes.

    Attributes:
        policy: `keras.Model` from a list of the model's inputs and the "budget" u, `(batch,)`,
            to `{"gates": (batch, num_groups)}`, zeros and ones.
        network: `keras.Model` from a list of the inputs and "gates" to the model's outputs. Closed
            components are skipped.
        component_macs: integers, for each component the MACs of what it opens.
    """

    policy: keras.Model
    network: keras.Model
    component_macs: tuple[int, ...]

    def decide(self, inputs: Sequence[np.ndarray], utilization: float) -> np.ndarray:
        """The gates of some samples at one budget, `(batch, num_groups)`.

        Args:
            inputs: an array for each input of the model.
            utilization: float in (0, 1].
        """
        return ops.convert_to_numpy(gates_at(self.policy, inputs, check_one(utilization)))


def policy_apart(
    model: keras.Model,
    threshold: float = 0.5,
    calibration_data=None,
    *,
    budgets: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
) -> PolicyApart:
    """Takes a policy and its network apart; together they are `model` with `gating=threshold`.

    Args:
        model: a built `keras_tnn.ThrottledModel` with one gate, which decides for the whole network
            by the model's inputs and u, as a `keras_tnn.gates.BudgetPolicy` does. It is left as
            it is.
        threshold: float in (0, 1): a component is open where its probability is above it.
        calibration_data: inputs by which the statistics of batch normalisation are estimated anew,
            as for `recalibrate`. Batches take the budgets in turn.
        budgets: rising floats in (0, 1], for `calibration_data`.

    Returns:
        `PolicyApart`, with weights of its own.

    Raises:
        ValueError: if an argument is out of range, if there is another gate, or if a gate's
            answer is used for more than opening what can be skipped.

    Example:

    >>> network = keras_tnn.models.ResNet((8, 8, 3), 10, depth=14, width=4, throttled=False)
    >>> model = keras_tnn.throttle(network, axes=("depth",), gate=keras_tnn.gates.BudgetPolicy)
    >>> parts = keras_tnn.surgery.policy_apart(model)
    >>> gates = parts.decide([np.zeros((2, 8, 8, 3), "float32")], utilization=0.9)
    >>> gates.shape, len(parts.component_macs)
    ((2, 4), 4)
    """
    graph = read_throttled_graph(model)
    gates = gates_of(graph)
    check_gates(model, gates)
    if len(gates) > 1 or not gates[0].whole_network:
        raise ValueError(
            f"Expected one gate in model '{model.name}' that decides for the whole network, as a "
            f"BudgetPolicy does. Received: {[gate.name for gate in gates]}"
        )
    hard = with_hard_gates(graph, check_threshold(threshold))
    own = cut_known(hard, {}, model.name, keep_gates=True)
    copy_all(own.slices, own.model)
    policy, masked = parted(own.model)
    if calibration_data is not None:
        recalibrate(masked, decided(policy, calibration_data, check_levels(budgets, "budgets")))
    network = skipping(read_graph(masked), f"{model.name}_gated")
    return PolicyApart(policy, network, component_macs(network))


def parted(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The policy, and the masked network with the policy's answer as an input.

    Args:
        model: with one `HardGate`.
    """
    graph = read_graph(model)
    names = {id(x): BUDGET if x.name == "utilization" else x.name for x in graph.inputs}
    tensors = {
        id(x): keras.Input(batch_shape=x.shape, dtype=x.dtype, name=names[id(x)])
        for x in graph.inputs
    }
    (budget,) = (tensors[key] for key, name in names.items() if name == BUDGET)
    inputs = [x for x in tensors.values() if x is not budget]
    for call in graph.calls:
        args, kwargs = substitute((call.args, call.kwargs), tensors)
        made = call.operation(*args, **kwargs)
        if isinstance(call.operation, HardGate):
            policy = keras.Model([*inputs, budget], {GATES: made}, name="budget_policy")
            made = gates = keras.Input(made.shape[1:], dtype=made.dtype, name=GATES)
        tensors |= {id(a): b for a, b in zip(call.outputs, tensors_in(made), strict=True)}
    outputs = substitute(graph.outputs, tensors)
    return policy, keras.Model([*inputs, gates], outputs, name=model.name)


def decided(
    policy: keras.Model, data, budgets: Sequence[float], batch_size: int = 256
) -> Iterator[list]:
    """Batches of inputs with what the policy decides on them, the budgets in turn."""
    for batch, budget in zip(batches_of(data, batch_size), cycle(budgets), strict=False):
        inputs = [ops.convert_to_tensor(x) for x in keras.tree.flatten(batch)]
        yield [*inputs, gates_at(policy, inputs, budget)]


def gates_at(policy: keras.Model, inputs: Sequence, budget: float):
    """What a policy opens for some samples, `(batch, num_groups)`."""
    inputs = [ops.convert_to_tensor(x) for x in inputs]
    filled = ops.full((len(inputs[0]),), budget, "float32")
    return policy([*inputs, filled], training=False)[GATES]


def component_macs(network: keras.Model) -> tuple[int, ...]:
    """For each component the MACs of what it opens.

    Args:
        network: that `skipping` made, with an input "gates".
    """
    graph = read_graph(network)
    gates = next(x for x in graph.inputs if x.name == GATES)
    macs = [0] * width(gates)
    for call in graph.calls:
        if not any(x is gates for x in call.sources):
            continue
        if not isinstance(call.operation, ConditionalSum) or takes(call, gates):
            raise unskipped(call.name)
        for group, term in zip(call.operation.groups, call.operation.terms, strict=True):
            macs[group] += sum(macs_of_call(inner) for inner in read_graph(term).calls)
    return tuple(macs)


def takes(call: Call, gates) -> bool:
    """Whether the terms of a `ConditionalSum` read the gates, as those inside of them do."""
    return any(x is gates for x in keras.tree.flatten(call.args))


def unskipped(name: str) -> ValueError:
    return ValueError(
        "Expected components that are skipped, none of them inside another one: residual branches, "
        "or groups of channels that a convolution or dense layer reads. Received: a policy on "
        f"which layer '{name}' depends in another way."
    )
