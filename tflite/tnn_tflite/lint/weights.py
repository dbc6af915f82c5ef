"""Which inputs of an operator are its weights."""

from tnn_tflite.lint.operator_graph import Operator, Tensor

# Places of kernel and bias among the inputs.
WEIGHTS = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
}


def kernel_of(operator: Operator) -> Tensor | None:
    """Returns the kernel of an operator, or None if it has none."""
    place = WEIGHTS.get(operator.name, (None,))[0]
    return None if place is None else operator.inputs[place]


def weights_of(operator: Operator) -> tuple[Tensor, ...]:
    """Returns the kernel and the bias of an operator, as far as it has them."""
    places = (p for p in WEIGHTS.get(operator.name, ()) if p < len(operator.inputs))
    return tuple(x for x in (operator.inputs[p] for p in places) if x is not None)


def constant_weights(operator: Operator) -> str | None:
    """Finds kernels and biases that another operator computes."""
    for tensor in weights_of(operator):
        if not tensor.constant:
            return (
                f"The weights '{tensor.name}' are computed while the network runs. Materialize "
                "the level first: its gates must not be left in the kernel."
            )
    return None
