"""What each call of a layer costs, and their sum."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras

from keras_tnn.cost.macs import macs_of_call
from keras_tnn.surgery.graph import Call, read_graph


@dataclass(frozen=True)
class LayerCost:
    """The cost of one call of a layer or of a `keras.ops` operation, for a batch of one.

    Attributes:
        name: of the layer or operation.
        kind: its class, for example `"Conv2D"`.
        output_shape: without the batch.
        macs: multiply-accumulates.
        parameters: number of weights; zero from the second call of a shared layer on, because
            the weights are stored once.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    macs: int
    parameters: int


def layer_costs(model: keras.Model, utilization: float | None = None) -> tuple[LayerCost, ...]:
    """Costs of a model, one row a call, in the order in which the calls run.

    A shared layer has a row for each of its calls. Nested models are followed: their layers have
    rows, they have none.

    Args:
        model: functional or sequential Keras model, plain or throttled.
        utilization: float in (0, 1], for a throttled model only: the level to count. Defaults
            to 1.0.

    Returns:
        Tuple of `LayerCost`.

    Raises:
        ValueError: if the model has no graph (subclassed, or not built), if a size other than
            the batch is unknown, or if `utilization` is given with a plain model.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
    >>> [(cost.kind, cost.macs) for cost in layer_costs(model)]
    [('Conv2D', 3888), ('Flatten', 0)]
    """
    throttled = any(x.name == "utilization" for x in getattr(model, "inputs", None) or ())
    if throttled:
        # A level costs what its plain, smaller network costs.
        from keras_tnn.surgery import materialize

        model = materialize(model, utilization=1.0 if utilization is None else utilization)
    elif utilization is not None:
        raise ValueError(
            f"Invalid value for `utilization`. Model '{model.name}' has no input named "
            "'utilization', so it has one cost. Expected None. "
            f"Received: utilization={utilization!r}"
        )
    seen: set[int] = set()
    return tuple(cost_of(call, seen) for call in leaf_calls(model))


def count_macs(model: keras.Model, utilization: float | None = None) -> int:
    """Multiply-accumulates of a model for a batch of one: the sum over `layer_costs`.

    Convolutions and dense layers count. Biases, normalisations, activations, pooling and sums
    count zero. FLOPs are 2 x MACs.

    Args:
        model: functional or sequential Keras model, plain or throttled.
        utilization: float in (0, 1], for a throttled model only: the level to count. Defaults
            to 1.0.

    Returns:
        Integer.

    Raises:
        ValueError: as `layer_costs`.

    Example:

    >>> model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(5)])
    >>> count_macs(model)
    50
    """
    return sum(cost.macs for cost in layer_costs(model, utilization))


def leaf_calls(model: keras.Model) -> Iterator[Call]:
    """The calls of a model, those of nested models in place of theirs."""
    for call in read_graph(model).calls:
        if isinstance(call.operation, keras.Model):
            yield from leaf_calls(at_shapes(call.operation, call.inputs))
        else:
            yield call


def at_shapes(model: keras.Model, tensors: tuple) -> keras.Model:
    """The same layers as a model for the shapes of `tensors`, where its own may be open.

    A subclassed model comes back as it is, for `read_graph` to refuse.
    """
    if not getattr(model, "inputs", None):
        return model
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=own.name)
        for own, tensor in zip(model.inputs, tensors, strict=True)
    ]
    inputs = keras.tree.pack_sequence_as(model.input, inputs)
    return keras.models.clone_model(model, inputs, clone_function=lambda layer: layer)


def cost_of(call: Call, seen: set[int]) -> LayerCost:
    operation, output_shape = call.operation, call.output.shape
    first_call = id(operation) not in seen
    seen.add(id(operation))
    # A throttleable layer is called on [features, control]: its kernel meets the features.
    input_shape = call.inputs[0].shape if call.inputs else ()
    return LayerCost(
        name=operation.name,
        kind=type(operation).__name__,
        output_shape=tuple(output_shape[1:]),
        macs=macs_of_call(operation, input_shape, output_shape),
        parameters=operation.count_params() if first_call and is_layer(operation) else 0,
    )


def is_layer(operation) -> bool:
    return isinstance(operation, keras.layers.Layer)
