"""How channels pass through one kind of layer. Every kind has a rule; `@rule` registers it.

A rule answers four questions about one call of a layer:

- `tie`: which channels of the output are the same as, or tied to, channels of the inputs?
- `forward`: given what is known of the inputs' channels, what is known of the output's?
- `backward`: given which output channels somebody reads, which input channels are read?
- `build`: make the call again in the cut model, with the channels that are left: those that are
  alive and needed.

`Rule` itself keeps inputs and outputs whole, which is exact for any layer and saves nothing. A
kind may have several rules; for a call to which none `applies`, it is `Rule`.
"""

import numpy as np

from keras_tnn.surgery.channels import Channels, Piece
from keras_tnn.surgery.graph import Call, width
from keras_tnn.surgery.ties import Ties

RULES: dict[type | str, list["Rule"]] = {}


class Rule:
    """The rule for any layer: whole inputs, whole output, the layer as it is.

    `call.inputs` are the tensors that carry features; `call.known` are the values of the inputs
    that depend on utilization alone.
    """

    def applies(self, call: Call) -> bool:
        """Whether the rule holds for this call."""
        return True

    def tie(self, call: Call, inputs: list[np.ndarray], ties: Ties) -> np.ndarray:
        for labels in inputs:
            ties.pin(labels)
        return ties.pinned(width(call.output))

    def forward(self, call: Call, inputs: list[Channels]) -> Channels:
        return Channels.all_alive(width(call.output))

    def backward(self, call: Call, inputs: list[Channels], needed: np.ndarray) -> list[np.ndarray]:
        return [np.full(channels.size, needed.any()) for channels in inputs]

    def build(self, call: Call, inputs: list[Piece], output: Channels, needed, builder) -> Piece:
        whole = [p.align(np.arange(p.channels.size), call.name) for p in inputs]
        return Piece(builder.repeat(call, whole), np.arange(output.size), output)


def rule(*kinds: type | str):
    """Class decorator: registers a rule for layer classes and their subclasses.

    Args:
        *kinds: classes; or names of classes that cannot be imported, such as the operations
            behind `keras.ops` functions.

    Example:

    ```python
    @rule(MyScale)  # y = x * scale, one scale a channel
    class ScaleRule(PerChannel):
        def fill(self, call, fill):
            return fill * call.operation.scale.numpy()
    ```
    """

    def register(cls):
        for kind in kinds:
            RULES.setdefault(kind, []).append(cls())
        return cls

    return register


def registered_rules(kind: type) -> list[Rule]:
    """The rules of the nearest registered class; none for a kind that is not known.

    A subclass with a `call` of its own is of another kind than its parent.
    """
    for cls in kind.__mro__:
        # A name stands for a class of Keras only: a user's layer may be called anything.
        by_name = cls.__name__ if cls.__module__.split(".")[0] == "keras" else None
        for name in (cls, by_name):
            if name in RULES:
                return RULES[name]
        if "call" in vars(cls):
            return []
    return []


def rule_of(call: Call, kind: type | None = None) -> Rule:
    """The rule of a call, the one registered last first.

    Args:
        call: the call. What returns several tensors is kept whole.
        kind: class to look for in place of the operation's own.
    """
    if len(call.outputs) != 1:
        return Rule()
    rules = registered_rules(kind or type(call.operation))
    return next((one for one in reversed(rules) if one.applies(call)), Rule())
