"""MACs of one call: multiply-accumulates for a batch of one, by the rule of its kind.

Counted are products that are summed up: kernels with their inputs (convolutions of every kind and
rank, dense layers, each step of a recurrent layer) and tensors with tensors (attention, `Dot`,
`keras.ops.matmul`, `einsum`). Biases, normalisations, activations, pooling, padding, sums and
elementwise products of tensors count zero. Products with zeros that "same" padding adds are
counted, as the papers do. FLOPs are 2 x MACs.
"""

import warnings

from keras_tnn.surgery.calls import Call
from keras_tnn.surgery.registry import rule_of

ADVICE = "`keras_tnn.surgery.rule` registers a rule with `kernels` or `macs`."


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
        raise unknown_macs(call)
    if changed := getattr(rule, "changed", ()):
        warnings.warn(
            f"The MACs of layer '{call.name}' ({type(call.operation).__name__}) are counted as "
            f"those of the class that it changes: {', '.join(changed)}. {ADVICE}",
            UserWarning,
            stacklevel=2,
        )
    return int(rule.macs(call))


def unknown_macs(call: Call) -> ValueError:
    """The error for a call that multiplies, nobody says what: zero would be a wrong count."""
    because = f", which {call.closed_by}" if call.closed_by else ""
    return ValueError(
        f"The MACs of layer '{call.name}' ({type(call.operation).__name__}){because} are unknown. "
        "Expected a layer of Keras, or one that is built from layers and `keras.ops`, or of a kind "
        f"whose rule counts them. {ADVICE}"
    )
