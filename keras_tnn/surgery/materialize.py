"""From a throttled model and a utilization to the plain, smaller Keras model of that level."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np

from keras_tnn.gates import Gate, Threshold
from keras_tnn.gates.decision import call_key
from keras_tnn.gates.inference import check_threshold, deciding
from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.calls import Call, Graph
from keras_tnn.surgery.cut import Cut, cut
from keras_tnn.surgery.gate_calls import gates_of
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.recalibrate import recalibrate
from keras_tnn.surgery.slices import copy_all
from keras_tnn.utilization import check_one, has_dial


def read_throttled_graph(model: keras.Model) -> Graph:
    """The graph of a throttled model.

    Raises:
        ValueError: if the model has no utilization input or no throttled layer, or is quantized.
    """
    graph = read_graph(model)
    quantized = {c.name for c in graph.calls if getattr(c.operation, "quantization_mode", None)}
    if quantized:
        raise ValueError(
            f"The layers {sorted(quantized)} of model '{model.name}' are quantized. Expected a "
            "model of floats: cut a level first and quantize that, "
            "`keras_tnn.materialize(model, u).quantize(...)`."
        )
    if not has_dial(graph) or not any(isinstance(call.operation, Gated) for call in graph.calls):
        raise ValueError(
            f"Model '{model.name}' has no throttled layer. Expected a model with an input named "
            "'utilization' that feeds at least one layer of keras_tnn.layers, for example "
            "keras_tnn.models.VGG(...). `keras_tnn.throttle(model)` gives a dial to a trained one."
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
            of a gated layer, `num_groups` zeros and ones. Any pattern, nested or not. The second
            call of a gate that is called several times is "name/2".
        threshold: float in (0, 1) for learned gates: groups whose probability is above it are
            kept (herrmann2019, 3.3). By default as the gates decide at inference, 0.5.

    Returns:
        A `keras.Model` without the utilization input, with weights of its own; of the class
        `model.level_class`, where the model's class says one, as that of a model with exits does.
        It can be exported at once, to ONNX also.

    Raises:
        ValueError: if `utilization` or `threshold` is out of range, if a pattern does not fit its
            gate, if the model has no throttled layer or no graph, if a gate depends on the data,
            or if nothing would be left of the network.

    Example:

    >>> model = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16
    ... )
    >>> small = keras_tnn.materialize(model, utilization=0.5)
    >>> small.count_params() < model.count_params() / 2
    True
    """
    return cut_out(model, utilization, calibration_data, gates=gates, threshold=threshold).model


def cut_out(
    model: keras.Model,
    utilization: float | None = None,
    calibration_data=None,
    *,
    gates: Mapping[str, Sequence[int]] | None = None,
    threshold: float | None = None,
) -> Cut:
    """As `materialize`, and says of each weight what it is a slice of.

    Args:
        model, utilization, calibration_data, gates, threshold: as for `materialize`.

    Returns:
        `Cut`: the model, and its slices.

    Example:

    >>> model = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16
    ... )
    >>> kernel = keras_tnn.surgery.cut_out(model, utilization=0.5).slices[0]
    >>> kernel.origin, kernel.kept[-1].tolist()
    ('conv1_1/kernel', [0, 1, 2, 3])
    """
    given = gates or threshold is not None
    utilization = check_one(1.0 if utilization is None and given else utilization)
    graph = read_throttled_graph(model)
    patterns = patterns_by_call(graph, gates or {})
    name = f"{model.name}_{round(1000 * utilization):04d}"
    way = None if threshold is None else Threshold(check_threshold(threshold))
    with deciding(gates_of(graph), way):
        result = cut(graph, utilization, name=name, gates=patterns)
    copy_all(result.slices, result.model)
    if calibration_data is not None:
        recalibrate(result.model, calibration_data)
    return replace(result, model=called(as_level_of(model, result.model)))


def called(model: keras.Model) -> keras.Model:
    """The same model after a call on symbols, without which `export(format="onnx")` refuses it."""
    symbols = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype), model.input
    )
    model(symbols)
    return model


def as_level_of(model: keras.Model, plain: keras.Model) -> keras.Model:
    """A plain model made of a throttled one, in the class that such a model has for its levels."""
    kind = getattr(model, "level_class", None)
    return plain if kind is None else kind(plain.input, plain.output, name=plain.name)


def patterns_by_call(graph: Graph, gates: Mapping[str, Sequence[int]]) -> dict[int, np.ndarray]:
    """What gates shall open at each of their calls, as `surgery.cut` takes it.

    The name of a gate or gated layer stands for those of its calls that are not named themselves.
    """
    calls, count = {}, Counter()
    for call in graph.calls:
        if isinstance(call.operation, (Gate, Gated)):
            calls[call_key(call.name, count[call.name])] = call
            count[call.name] += 1
    if unknown := [name for name in gates if name not in {*calls, *count}]:
        raise ValueError(
            f"Invalid value for `gates`. Expected names among {sorted(calls)}. "
            f"Received: {unknown[0]!r}"
        )
    given = {key: gates.get(key, gates.get(call.name)) for key, call in calls.items()}
    return {
        id(calls[key].outputs[0]): check_pattern(calls[key], pattern)
        for key, pattern in given.items()
        if pattern is not None
    }


def check_pattern(call: Call, pattern: Sequence[int]) -> np.ndarray:
    """Returns a gate's pattern as `(num_groups,)` floats after checking that it fits the gate."""
    values, size = np.asarray(pattern), call.operation.num_groups
    if values.shape != (size,) or not np.all((values == 0) | (values == 1)):
        raise ValueError(
            f"Invalid value for `gates`. Expected {size} zeros and ones for '{call.name}'. "
            f"Received: {pattern!r}"
        )
    return values.astype("float32")
