"""The branch classifiers: what an exit computes from the features where it stands."""

import math
from collections.abc import Callable
from typing import Any

from keras import layers

from keras_tnn.gates import LearnedGate
from keras_tnn.layers import ChannelGate
from keras_tnn.layers.gated import GroupedChannels
from keras_tnn.surgery import gates_of
from keras_tnn.surgery.calls import Graph, is_tensor

CONVOLUTIONS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
POOLINGS = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D, 3: layers.MaxPooling3D}
AVERAGES = {
    1: layers.GlobalAveragePooling1D,
    2: layers.GlobalAveragePooling2D,
    3: layers.GlobalAveragePooling3D,
}
MOST_FILTERS = 128


class BranchHead:
    """The branch classifier of wang2019 (IV-A): coarse features of what may be a fine map.

    Max poolings of stride 2, as many as bring the map down to the size of the model's last one,
    with a 3x3 convolution behind each and one at least; global average pooling; and a dense layer
    with the activation of the model's own. The paper points to its code for the sizes: here each
    pooling doubles the channels, up to 128, which is what the classifiers of MSDNet have. Pooling
    comes first, so that the head of an early exit costs no more than that of a late one.

    In a model with a dial its convolutions are gated like the model's, so that a head does not
    cost more than the level that it ends.

    Args:
        graph: of the model.
        last: the tensor of the model's last feature map, or None if it has none.

    Raises:
        ValueError: if the model's output is not `(batch, units)`.
    """

    def __init__(self, graph: Graph, last):
        self.output, self.last = graph.outputs, last
        if len(self.output.shape) != 2:
            raise ValueError(
                "Invalid value for `head`. A branch classifier ends like the model, in a dense "
                "layer. Expected a function of (features, name) that returns a tensor of shape "
                f"{self.output.shape}. Received: head=None"
            )
        self.classifier, self.activations = ending(graph)
        self.utilization = next((x for x in graph.inputs if x.name == "utilization"), None)
        self.num_groups = groups_of_dial(graph)

    def __call__(self, features, name: str):
        x, rank = features, len(features.shape) - 2
        if rank:
            for number in range(max(1, self.poolings(x))):
                x = self.convolved(x, rank, f"{name}_{number + 1}")
            x = AVERAGES[rank](name=f"{name}_pool")(x)
        activation = getattr(self.classifier, "activation", None)
        units, bias = self.output.shape[-1], getattr(self.classifier, "use_bias", True)
        last = name if not self.activations else f"{name}_dense"
        policy = getattr(self.classifier, "dtype_policy", None)
        x = layers.Dense(units, activation=activation, use_bias=bias, dtype=policy, name=last)(x)
        for number, layer in enumerate(self.activations, start=1):
            last = name if number == len(self.activations) else f"{name}_activation{number}"
            x = type(layer).from_config({**layer.get_config(), "name": last})(x)
        return x

    def poolings(self, x) -> int:
        """How often a map must be halved to be of the size of the last one."""
        if self.last is None or None in (*x.shape[1:-1], *self.last.shape[1:-1]):
            return 0
        sizes, least = x.shape[1:-1], min(self.last.shape[1:-1])
        count = 0
        while min(sizes) // 2 >= max(least, 1):
            sizes, count = [size // 2 for size in sizes], count + 1
        return count

    def convolved(self, x, rank: int, label: str):
        channels = min(x.shape[-1], MOST_FILTERS)
        if self.poolings(x):
            x = POOLINGS[rank](2, name=f"{label}_max_pool")(x)
            channels = min(2 * channels, MOST_FILTERS)
        x = CONVOLUTIONS[rank](channels, 3, padding="same", use_bias=False, name=f"{label}_conv")(x)
        x = layers.BatchNormalization(name=f"{label}_norm")(x)
        x = layers.ReLU(name=f"{label}_relu")(x)
        num_groups = math.gcd(self.num_groups, channels)
        if num_groups == 1:
            return x
        return ChannelGate(num_groups=num_groups, name=f"{label}_gate")([x, self.utilization])


def ending(graph: Graph) -> tuple[Any, list]:
    """The layer with weights that a model ends in, and the activations behind it."""
    call, activations = graph.made_by.get(id(graph.outputs)), []
    while call is not None and not getattr(call.operation, "weights", None):
        if isinstance(call.operation, (layers.Activation, layers.Softmax)):
            activations.insert(0, call.operation)
        call = graph.made_by.get(id(call.inputs[0])) if call.inputs else None
    return getattr(call, "operation", None), activations


def groups_of_dial(graph: Graph) -> int:
    """The most groups of channels that utilization opens in a layer of a model; 1 for none."""
    if any(isinstance(gate, LearnedGate) for gate in gates_of(graph)):
        return 1
    obeying = [
        call.operation for call in graph.calls if isinstance(call.operation, GroupedChannels)
    ]
    return max((layer.num_groups for layer in obeying), default=1)


def last_map(graph: Graph):
    """The tensor of a model's last feature map, larger than one place; None if it has none."""

    def is_map(tensor) -> bool:
        return 3 <= len(tensor.shape) <= 5 and any(size != 1 for size in tensor.shape[1:-1])

    made = [x for call in graph.calls for x in call.outputs]
    return next((x for x in reversed(made) if is_map(x)), None)


def with_head(head: Callable, features, name: str, shape: tuple, argument: str):
    """What a head, or a gate, makes of features.

    Raises:
        ValueError: if it is no tensor of this shape.
    """
    made = head(features, name)
    if not is_tensor(made) or tuple(made.shape) != tuple(shape):
        raise ValueError(
            f"Invalid value for `{argument}`. Expected a function of (features, name) that returns "
            f"a tensor of shape {tuple(shape)}. Received: {made!r} for '{name}'"
        )
    return made
