"""MACs of one call: multiply-accumulates for a batch of one. Every kind of layer has a rule.

Counted are products that are summed up: kernels with their inputs (convolutions of every kind and
rank, dense layers, each step of a recurrent layer) and tensors with tensors (attention, `Dot`,
`keras.ops.matmul`, `einsum`). Biases, normalisations, activations, pooling, padding, sums and
elementwise products of tensors count zero. Products with zeros that "same" padding adds are
counted, as the papers do. FLOPs are 2 x MACs.
"""

import math
import warnings
from collections.abc import Callable

from keras import layers

from keras_tnn.surgery.graph import Call

RULES: dict[type | str, Callable[[Call], int]] = {}

# They have weights of rank 2 or more and no kernel: a look-up, a product per element.
FREE = (layers.Embedding, layers.PReLU)


def macs_rule(*kinds: type | str):
    """Decorator: registers a function as the count of MACs for layer classes and subclasses.

    The function takes the call, a `keras_tnn.surgery.graph.Call`: `call.operation` is the layer,
    `call.inputs` and `call.outputs` are symbolic tensors `(batch, ...)`.

    Args:
        *kinds: classes; or names of classes that cannot be imported, such as the operations
            behind `keras.ops` functions.

    Example:

    ```python
    @tnn.cost.macs_rule(MyBilinear)  # y = x1 kernel x2
    def bilinear(call):
        return math.prod(call.operation.kernel.shape)
    ```
    """

    def register(rule: Callable[[Call], int]):
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return register


def macs_of_call(call: Call) -> int:
    """MACs of one call of a layer or operation on a batch of one.

    Returns:
        Integer. Zero, with a warning, for a layer that has matrices among its weights and is of a
        kind without a rule. A layer of unknown kind without matrices counts zero.

    Raises:
        ValueError: if the layer runs at positions whose number is unknown.
    """
    rule = find_rule(call.operation)
    if rule is None and has_matrices(call.operation):
        warn_of_zero(call.operation)
    return 0 if rule is None else int(rule(call))


def find_rule(operation) -> Callable[[Call], int] | None:
    """The rule of the nearest class; a name stands for a class of Keras only."""
    for cls in type(operation).__mro__:
        by_name = cls.__name__ if cls.__module__.split(".")[0] == "keras" else None
        for kind in (cls, by_name):
            if kind in RULES:
                return RULES[kind]
    return None


def product(call: Call, sizes: tuple) -> int:
    """The product of `sizes`.

    Raises:
        ValueError: if one of them is None.
    """
    if None in sizes:
        raise ValueError(
            f"The cost of layer '{call.name}' depends on a size that is not known. Expected an "
            f"input of fixed shape. Received: sizes={tuple(sizes)}. Build the model with a full "
            "`input_shape`, None for the batch only."
        )
    return math.prod(sizes)


def has_matrices(operation) -> bool:
    """Whether an operation of unknown kind is likely to multiply."""
    weights = getattr(operation, "trainable_weights", ())
    return any(len(w.shape) > 1 for w in weights) and not isinstance(operation, FREE)


def warn_of_zero(operation) -> None:
    """Zero is a wrong count for what multiplies: say so rather than pass it over."""
    warnings.warn(
        f"The MACs of layer '{operation.name}' ({type(operation).__name__}) are counted as zero: "
        "no rule for its kind. Its parameters are counted. `tnn.cost.macs_rule` registers a rule.",
        UserWarning,
        stacklevel=2,
    )
