"""From a model whose gates read the data to a plain one that computes only what they open.

First the gates' decision is fixed: data-independent gates are cut for good, the others become
`HardGate`s. Then every gated piece becomes a `ConditionalSum`.
"""

from dataclasses import replace

import keras

from keras_tnn.gates import Gate, Threshold
from keras_tnn.gates.inference import check_threshold, deciding
from keras_tnn.layers.gated import Gated
from keras_tnn.layers.hard_gate import HardGate
from keras_tnn.surgery.calls import LAST, Graph, channel_axis
from keras_tnn.surgery.cut import cut_known, known_utilization
from keras_tnn.surgery.gate_calls import gates_of
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.materialize import as_level_of, read_throttled_graph
from keras_tnn.surgery.recalibrate import recalibrate
from keras_tnn.surgery.skipping import skipping
from keras_tnn.surgery.slices import copy_all
from keras_tnn.utilization import check_one


def conditional(
    model: keras.Model,
    threshold: float = 0.5,
    calibration_data=None,
    *,
    utilization: float = 1.0,
) -> keras.Model:
    """Returns a plain Keras model that computes for each sample only what its gates open.

    Every gated residual branch, and every gated group of channels, from the layer that makes it
    to the layer that reads it, becomes a term of a `keras_tnn.layers.ConditionalSum`: at a batch
    size of one, as on a device, a closed term is skipped. The outputs are those of `model` with
    `gating=threshold` (within float rounding). What data-independent gates close is cut for good.

    Where a gated layer has no such form, because its channels are not read by a convolution or
    dense layer, its channels are computed and multiplied by the gate, with a warning. Where one
    layer reads the channels of one gate and makes those of the next, only what it reads is
    skipped.

    Args:
        model: a built `keras_tnn.ThrottledModel` whose gates are nodes that `ChannelGate` and
            `ResidualGate` obey, as `keras_tnn.throttle` makes them. It is left as it is.
        threshold: float in (0, 1): a gate is open where its probability is above it.
        calibration_data: inputs by which the statistics of batch normalisation are estimated
            anew, as for `materialize`.
        utilization: float in (0, 1], for gates that read it.

    Returns:
        A `keras.Model` without the utilization input, with weights of its own; its class is that
        of a level, as for `materialize`.

    Raises:
        ValueError: if `threshold` is not in (0, 1), if no gate reads the data, if a gate that
            does is not a node of the model, or if gated channels are not on the last axis.

    Example:

    ```python
    model = keras_tnn.throttle(network, gate=keras_tnn.gates.DataDependent)
    ...  # train
    small = keras_tnn.surgery.conditional(model, threshold=0.5)
    ```
    """
    decided = decide(model, check_threshold(threshold), check_one(utilization))
    if calibration_data is not None:
        recalibrate(decided, calibration_data)
    skipped = skipping(read_graph(decided), f"{model.name}_conditional")
    return as_level_of(model, skipped)


def decide(model: keras.Model, threshold: float, utilization: float) -> keras.Model:
    """The masked model with its gates decided: no utilization input, no random numbers.

    Gates that read the data are `HardGate`s; what all other gates close is cut.
    """
    graph = read_throttled_graph(model)
    gates = gates_of(graph)
    check_gates(model, gates)
    check_gated_last(graph)
    known = known_utilization(graph, utilization)
    with deciding(gates, Threshold(threshold)):
        result = cut_known(with_hard_gates(graph, threshold), known, model.name, keep_gates=True)
    copy_all(result.slices, result.model)
    return result.model


def check_gates(model: keras.Model, gates: list[Gate]):
    reading = [gate for gate in gates if gate.data_dependent]
    if not reading:
        raise ValueError(
            f"Model '{model.name}' has no gate that reads the data. Expected at least one. Use "
            "`keras_tnn.materialize`: what its gates close can be cut for good."
        )
    if normalizing := [gate.name for gate in reading if gate.normalize]:
        raise ValueError(
            "Expected gates of zeros and ones. Received gates that divide by the number of open "
            f"groups: {normalizing}. Make them with normalize=False."
        )


def check_gated_last(graph: Graph):
    """Raises ValueError if gated channels lie elsewhere than terms of a sum are put together."""
    gated = [call for call in graph.calls if isinstance(call.operation, Gated)]
    if elsewhere := [one.name for one in gated if channel_axis(one.outputs[0]) != LAST]:
        raise ValueError(
            f"The channels behind the gates {elsewhere[:5]} are not on the last axis. Expected "
            "data_format='channels_last' where each sample skips what its gates close. The weights "
            "are the same in both: build the network so and set them."
        )


def with_hard_gates(graph: Graph, threshold: float) -> Graph:
    """The graph with a `HardGate` in place of each gate that reads the data."""
    hard: dict[int, HardGate] = {}
    calls = []
    for call in graph.calls:
        gate = call.operation
        if isinstance(gate, Gate) and gate.data_dependent:
            if id(gate) not in hard:
                hard[id(gate)] = HardGate(gate, threshold, name=gate.name)
                hard[id(gate)].built = True
            call = replace(call, operation=hard[id(gate)])
        calls.append(call)
    return replace(graph, calls=tuple(calls))
