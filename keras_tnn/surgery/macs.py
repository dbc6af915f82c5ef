"""MACs of one call: multiply-accumulates for a batch of one, by the rule of its kind.

Counted are products that are summed up: kernels with their inputs (convolutions of every kind and
rank, dense layers, each step of a recurrent layer) and tensors with tensors (attention, `Dot`,
`keras.ops.matmul`, `einsum`). Biases, normalisations, activations, pooling, padding, sums and
elementwise products of tensors count zero. Products with zeros that "same" padding adds are
counted, as the papers do. FLOPs are 2 x MACs.
"""

import warnings

from keras_tnn.surgery.graph import Call
from keras_tnn.surgery.registry import rule_of


def macs_of_call(call: Call) -> int:
    """MACs of one call of a layer or operation on a batch of one.

    Returns:
        Integer. With a warning, the count of its parent for a layer that changes what its parent
        computes with. A layer of unknown kind without matrices counts zero.

    Raises:
        ValueError: if the layer runs at positions whose number is unknown, or if it has matrices
            among its weights, nobody can look inside and no rule says what they multiply.
    """
    rule = rule_of(call)
    if not rule.is_counted(call):
        raise unknown(call)
    elif changed := getattr(rule, "changed", ()):
        warn(call.operation, f"as those of the class that it changes: {', '.join(changed)}")
    return int(rule.macs(call))


def unknown(call: Call) -> ValueError:
    """Zero would be a wrong count for what multiplies."""
    because = f", which {call.closed_by}" if call.closed_by else ""
    return ValueError(
        f"The MACs of layer '{call.name}' ({type(call.operation).__name__}){because} are unknown. "
        "Expected a layer of Keras, or one that is built from layers and `keras.ops`, or a rule "
        "with `kernels` or `macs`: see `keras_tnn.surgery.rule`."
    )


def warn_of_zero(operation) -> None:
    """Zero is a wrong count for what multiplies: say so rather than pass it over."""
    warn(operation, "as zero: no rule for its kind says more. Its parameters are counted")


def warn(operation, counted: str) -> None:
    warnings.warn(
        f"The MACs of layer '{operation.name}' ({type(operation).__name__}) are counted "
        f"{counted}. `tnn.surgery.rule` registers a rule with `kernels` or `macs`.",
        UserWarning,
        stacklevel=3,
    )
