"""What each call of a layer costs, and their sum."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import keras

from keras_tnn.cost.at_shape import at_shape
from keras_tnn.cost.memory import moved_bytes, tensor_bytes, weight_bytes
from keras_tnn.cost.pooling_flops import pooling_flops
from keras_tnn.surgery.calls import Call
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.macs import macs_of_call
from keras_tnn.utilization import has_dial


@dataclass(frozen=True)
class LayerCost:
    """The cost of one call of a layer or of a `keras.ops` operation, for a batch of one.

    Attributes:
        name: of the layer or operation.
        kind: its class, for example `"Conv2D"`.
        output_shape: without the batch; of the first output where there are several.
        macs: multiply-accumulates.
        pooling_flops: FLOPs of pooling as liu2022 (Table 3) counts them; not part of `flops`.
        parameters: number of weights; zero from the second call of a shared layer on, because
            the weights are stored once.
        weight_bytes: of the same weights, in the dtype in which they are stored.
        activation_bytes: of all outputs, in their own dtype (the layer's compute dtype). Every
            call counts its outputs, also where a runtime would write them over its inputs; the
            sum over a model is what is computed, not what is in memory at one time.
        moved_bytes: weights, inputs and outputs that pass through memory, each once; see
            `keras_tnn.cost.memory` for the calls that move no activations.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    macs: int
    pooling_flops: int
    parameters: int
    weight_bytes: int
    activation_bytes: int
    moved_bytes: int

    @property
    def flops(self) -> int:
        """2 x MACs."""
        return 2 * self.macs

    @property
    def flops_with_pooling(self) -> int:
        """2 x MACs and 2 for each value that pooling writes (liu2022, Table 3)."""
        return self.flops + self.pooling_flops


def layer_costs(
    model: keras.Model, utilization: float | None = None, input_shape=None
) -> tuple[LayerCost, ...]:
    """Costs of a model, one row a call, in the order in which the calls run.

    A shared layer has a row for each of its calls. Nested models are followed: their layers have
    rows, they have none.

    Args:
        model: functional or sequential Keras model, plain or throttled.
        utilization: float in (0, 1], for a throttled model only: the level to count. Defaults
            to 1.0.
        input_shape: sizes of a sample, such as `(224, 224, 3)`, for a model that leaves some
            open; for several inputs a list of shapes in their order, or a dict by name.

    Returns:
        Tuple of `LayerCost`.

    Raises:
        ValueError: if the model has no graph (subclassed, or not built), if a size other than
            the batch is unknown and `input_shape` does not give it or does not fit, if no rule
            says what a layer multiplies, or if `utilization` is given with a plain model.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
    >>> [(cost.kind, cost.macs, cost.activation_bytes) for cost in layer_costs(model)]
    [('Conv2D', 3888, 576), ('Flatten', 0, 576)]
    """
    seen: set[int] = set()
    return tuple(cost_of(call, seen) for call in calls_at(model, utilization, input_shape))


def count_macs(model: keras.Model, utilization: float | None = None, input_shape=None) -> int:
    """Multiply-accumulates of a model for a batch of one: the sum over `layer_costs`.

    Convolutions, dense and recurrent layers, attention and products of matrices count. Biases,
    normalisations, activations, pooling and sums count zero. FLOPs are 2 x MACs.

    Args:
        model: functional or sequential Keras model, plain or throttled.
        utilization: float in (0, 1], for a throttled model only: the level to count. Defaults
            to 1.0.
        input_shape: sizes of a sample, such as `(224, 224, 3)`, for a model that leaves some
            open; for several inputs a list of shapes in their order, or a dict by name.

    Returns:
        Integer.

    Raises:
        ValueError: as `layer_costs`, but sizes that no multiplication depends on may be unknown.

    Example:

    >>> model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(5)])
    >>> count_macs(model)
    50
    >>> any_size = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    >>> count_macs(any_size, input_shape=(8, 8, 3))
    3888
    """
    return sum(map(macs_of_call, calls_at(model, utilization, input_shape)))


def sum_of(costs: Iterable[LayerCost]) -> LayerCost:
    """All costs added up, in a row named "total"."""
    costs = tuple(costs)
    counts = ("macs", "pooling_flops", "parameters")
    sizes = ("weight_bytes", "activation_bytes", "moved_bytes")
    added = {name: sum(getattr(cost, name) for cost in costs) for name in counts + sizes}
    return LayerCost(name="total", kind="", output_shape=(), **added)


def calls_at(model: keras.Model, utilization: float | None, input_shape=None) -> tuple[Call, ...]:
    """The calls of a plain model, or of the level of a throttled one, on inputs of given shape."""
    if has_dial(model):
        # A level costs what its plain, smaller network costs.
        from keras_tnn.surgery import materialize

        model = materialize(model, utilization=1.0 if utilization is None else utilization)
    elif utilization is not None:
        raise ValueError(
            f"Invalid value for `utilization`. Model '{model.name}' has no input named "
            "'utilization', so it has one cost. Expected None. "
            f"Received: utilization={utilization!r}"
        )
    whole = model if input_shape is None else at_shape(model, input_shape)
    return read_graph(whole, at_inference=True).calls


def cost_of(call: Call, seen: set[int]) -> LayerCost:
    """One row; `seen` are the `id`s of weights that stand in an earlier one."""
    weights = [w for w in getattr(call.operation, "weights", []) if id(w) not in seen]
    seen |= {id(w) for w in weights}
    return LayerCost(
        name=call.name,
        kind=type(call.operation).__name__,
        output_shape=tuple(call.outputs[0].shape[1:]),
        macs=macs_of_call(call),
        pooling_flops=pooling_flops(call),
        parameters=sum(math.prod(w.shape) for w in weights),
        weight_bytes=weight_bytes(weights),
        activation_bytes=tensor_bytes(call, call.outputs) if call.inputs else 0,
        moved_bytes=moved_bytes(call),
    )
