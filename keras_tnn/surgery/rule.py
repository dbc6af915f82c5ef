"""How channels pass through one kind of layer. Every kind has a rule; `@rule` registers it.

A rule answers three questions about one call of a layer:

- `forward`: given what is known of the inputs' channels, what is known of the output's?
- `backward`: given which output channels somebody reads, which input channels are read?
- `build`: make the call again in the cut model, with the channels that are left: those that are
  alive and needed.

Layers without a rule get `Rule` itself: it keeps their inputs and outputs whole, which is always
exact and saves nothing.
"""

from typing import Any

import numpy as np

from keras_tnn.surgery.channels import Channels, Piece
from keras_tnn.surgery.graph import Call, width

RULES: dict[type, "Rule"] = {}


class Rule:
    """The rule for any layer: whole inputs, whole output, the layer as it is.

    `call.inputs` are the tensors that carry features; `call.known` are the values of the inputs
    that depend on utilization alone.
    """

    def forward(self, call: Call, inputs: list[Channels]) -> Channels:
        return Channels.all_alive(width(call.output))

    def backward(self, call: Call, inputs: list[Channels], needed: np.ndarray) -> list[np.ndarray]:
        return [np.full(channels.size, needed.any()) for channels in inputs]

    def build(self, call: Call, inputs: list[Piece], output: Channels, needed, builder) -> Piece:
        whole = [p.align(np.arange(p.channels.size), call.name) for p in inputs]
        return Piece(builder.repeat(call, whole), np.arange(output.size), output)


def rule(*layer_types: type):
    """Class decorator: registers a rule for layer classes and their subclasses.

    Example:

    ```python
    @rule(MyScale)  # y = x * scale, one scale a channel
    class ScaleRule(PerChannel):
        def fill(self, call, fill):
            return fill * call.operation.scale.numpy()
    ```
    """

    def register(cls):
        for layer_type in layer_types:
            RULES[layer_type] = cls()
        return cls

    return register


def find_rule(operation: Any) -> Rule:
    """The rule of the nearest registered class."""
    for cls in type(operation).__mro__:
        if cls in RULES:
            return RULES[cls]
    return Rule()
