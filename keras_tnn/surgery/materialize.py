"""From a throttled model and a utilization to the plain, smaller Keras model of that level."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from keras_tnn.gates import Gate, LearnedGate
from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.cut import cut
from keras_tnn.surgery.graph import Graph, read_graph
from keras_tnn.surgery.recalibrate import recalibrate
from keras_tnn.surgery.slices import copy_all
from keras_tnn.utilization import check_one


def read_throttled_graph(model: keras.Model) -> Graph:
    """The graph of a throttled model.

    Raises:
        ValueError: if the model has no utilization input or no throttled layer.
    """
    graph = read_graph(model)
    has_input = any(x.name == "utilization" for x in graph.inputs)
    if not has_input or not any(isinstance(call.operation, Gated) for call in graph.calls):
        raise ValueError(
            f"Model '{model.name}' has no throttled layer. Expected a model with an input named "
            "'utilization' that feeds at least one layer of keras_tnn.layers, for example "
            "keras_tnn.models.VGG(...)."
        )
    return graph


def materialize(
    model: keras.Model,
    utilization: float | None = None,
    calibration_data=None,
    *,
    gates: Mapping[str, Sequence[int]] | None = None,
    threshold: float | None = None,
) -> keras.Model:
    """Returns a plain Keras model that holds only what is active.

    Its outputs equal the throttled model's (within float rounding) as long as the statistics of
    batch normalisation are the same. With `calibration_data` they are re-estimated for this
    level, as slimmable networks do; see `recalibrate` for when a level needs it.

    Args:
        model: a built functional model with an input named "utilization" and gated layers, such
            as a `keras_tnn.ThrottledModel`. It is left as it is.
        utilization: float in (0, 1]. A u between two steps of a gate opens what the step below
            opens. May be left out where `gates` or `threshold` are given: 1.
        calibration_data: array of inputs `(samples, ...)`, a list or dict of them for several
            inputs, or a dataset of batches (`x` or `(x, y)`). About a thousand samples do.
        gates: patterns that take the place of what utilization opens: for the name of a gate or
            of a gated layer, `num_groups` zeros and ones. Any pattern, nested or not.
        threshold: float in (0, 1) for learned gates: groups whose probability is above it are
            kept (herrmann2019, 3.3). By default as the gates decide at inference, 0.5.

    Returns:
        A `keras.Model` without the utilization input, with weights of its own.

    Raises:
        ValueError: if `utilization` is not in (0, 1], if a pattern does not fit its gate, if the
            model has no throttled layer or no graph, if a gate depends on the data, or if nothing
            would be left of the network.

    Example:

    >>> model = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16
    ... )
    >>> small = keras_tnn.materialize(model, utilization=0.5)
    >>> small.count_params() < model.count_params() / 2
    True
    """
    given = gates or threshold is not None
    utilization = check_one(1.0 if utilization is None and given else utilization)
    graph = read_throttled_graph(model)
    patterns = learned_patterns(graph, utilization, threshold)
    patterns |= {name: check_pattern(graph, name, one) for name, one in (gates or {}).items()}
    name = f"{model.name}_{round(1000 * utilization):04d}"
    result = cut(graph, utilization, name=name, gates=patterns)
    copy_all(result.slices, result.model)
    if calibration_data is not None:
        recalibrate(result.model, calibration_data)
    return result.model


def gates_by_name(graph: Graph) -> dict[str, Gate]:
    """The gates under the name of their node, or of the layer that obeys its own."""
    operations = [call.operation for call in graph.calls]
    nodes = {one.name: one for one in operations if isinstance(one, Gate)}
    gated = [one for one in operations if isinstance(one, Gated) and one.gate.built]
    return nodes | {one.name: one.gate for one in gated}


def learned_patterns(
    graph: Graph, utilization: float, threshold: float | None
) -> dict[str, np.ndarray]:
    """What learned gates that do not read the data open: `(num_groups,)` by name."""
    return {
        name: gate.pattern(utilization, threshold)
        for name, gate in gates_by_name(graph).items()
        if isinstance(gate, LearnedGate) and not gate.data_dependent
    }


def check_pattern(graph: Graph, name: str, pattern: Sequence[int]) -> np.ndarray:
    """Returns a gate's pattern as `(num_groups,)` floats after checking that it fits the gate."""
    operations = [call.operation for call in graph.calls]
    gated = {one.name: one for one in operations if isinstance(one, (Gate, Gated))}
    if name not in gated:
        raise ValueError(
            f"Invalid value for `gates`. Expected names among {sorted(gated)}. Received: {name!r}"
        )
    values, size = np.asarray(pattern), gated[name].num_groups
    if values.shape != (size,) or not np.all((values == 0) | (values == 1)):
        raise ValueError(
            f"Invalid value for `gates`. Expected {size} zeros and ones for '{name}'. "
            f"Received: {pattern!r}"
        )
    return values.astype("float32")
