"""The operators of the Edge TPU and their limits, as far as they are published.

From "TensorFlow models on the Edge TPU" (coral.ai), table "All operations supported by the Edge
TPU and any known limitations", for runtime 14, the newest. One function a limitation.
"""

from collections.abc import Callable

import numpy as np

from tnn_tflite.lint.operator_graph import Operator

Limit = Callable[[Operator], str | None]

SOFTMAX_ELEMENTS = 16_000


def no_activation(operator: Operator) -> str | None:
    if operator.options.get("fusedActivationFunction", 0):
        return "It has a fused activation. Put the activation before it, or into its own layer."
    return None


def equal_dilation(operator: Operator) -> str | None:
    dilation = (operator.options["dilationHFactor"], operator.options["dilationWFactor"])
    if dilation[0] != dilation[1]:
        return f"Dilation {dilation}. Use the same dilation in height and width."
    return None


def default_weights(operator: Operator) -> str | None:
    if operator.options.get("weightsFormat", 0):
        return "Its weights are shuffled. Convert without shuffled weights."
    return None


def one_vector(operator: Operator) -> str | None:
    shape = operator.outputs[0].shape
    if any(size != 1 for size in shape[:-1]):
        return f"Output of shape {shape}. Only one vector: flatten before it, or use Conv2D 1x1."
    return None


def small_softmax(operator: Operator) -> str | None:
    shape = operator.inputs[0].shape
    if any(size != 1 for size in shape[:-1]) or shape[-1] > SOFTMAX_ELEMENTS:
        return (
            f"Input of shape {shape}. Only one vector of at most {SOFTMAX_ELEMENTS:,} elements: "
            "leave softmax to the program."
        )
    return None


def constant_part_is_padding(operator: Operator) -> str | None:
    constants = [x for x in operator.inputs if x is not None and x.constant]
    zero = all(np.all(x.value == (x.zero_points or (0,))[0]) for x in constants)
    if constants and (len(operator.inputs) != 2 or not zero):
        return "A part is constant. Only zeros, beside one other input."
    return None


def not_over_batch(operator: Operator) -> str | None:
    axes, shape = _axes(operator), operator.inputs[0].shape
    if axes is None or 0 in axes and len(shape) > 1:
        return "It reduces the batch axis, or axes that are not constant. Name the other axes."
    return None


def channels_by_four(operator: Operator) -> str | None:
    axes, shape = _axes(operator), operator.inputs[0].shape
    if axes is not None and len(shape) - 1 in axes and shape[-1] % 4:
        return f"It reduces {shape[-1]} channels. Only a multiple of 4."
    return None


def batch_is_not_padded(operator: Operator) -> str | None:
    paddings = operator.inputs[1].value
    if paddings is None or np.any(paddings[0]):
        return "It pads the batch axis, or by amounts that are not constant. Pad the other axes."
    return None


def not_packed_in_batch(operator: Operator) -> str | None:
    return "It packs along the batch axis." if operator.options["axis"] == 0 else None


def not_split_in_batch(operator: Operator) -> str | None:
    axis = operator.inputs[0].value
    if axis is None or int(axis.ravel()[0]) % len(operator.inputs[1].shape) == 0:
        return "It splits the batch axis, or one that is not constant."
    return None


def slope_by_channel(operator: Operator) -> str | None:
    shape = operator.inputs[1].shape
    if any(size != 1 for size in shape[:-1]):
        return f"Slopes of shape {shape}. One a channel: PReLU(shared_axes=[1, 2])."
    return None


def whole_strides(operator: Operator) -> str | None:
    strides = operator.inputs[3].value
    masks = operator.options.get("ellipsisMask", 0), operator.options.get("newAxisMask", 0)
    if strides is None or np.any(strides != 1) or any(masks):
        return "It skips elements or adds axes. Only strides of 1, without ellipsis and new axes."
    return None


def _axes(operator: Operator) -> set[int] | None:
    value, rank = operator.inputs[1].value, len(operator.inputs[0].shape)
    return None if value is None else {int(axis) % rank for axis in value.ravel()}


LIMITS: dict[str, tuple[Limit, ...]] = {
    "ADD": (),
    "AVERAGE_POOL_2D": (no_activation,),
    "CONCATENATION": (no_activation, constant_part_is_padding),
    "CONV_2D": (equal_dilation,),
    "DEPTHWISE_CONV_2D": (equal_dilation,),
    "EXPAND_DIMS": (),
    "FULLY_CONNECTED": (default_weights, one_vector),
    "L2_NORMALIZATION": (),
    "LOGISTIC": (),
    "MAXIMUM": (),
    "MAX_POOL_2D": (no_activation,),
    "MEAN": (not_over_batch, channels_by_four),
    "MINIMUM": (),
    "MUL": (),
    "PACK": (not_packed_in_batch,),
    "PAD": (batch_is_not_padded,),
    "PRELU": (slope_by_channel,),
    "QUANTIZE": (),
    "REDUCE_MAX": (not_over_batch,),
    "REDUCE_MIN": (not_over_batch,),
    "RELU": (),
    "RELU6": (),
    "RELU_N1_TO_1": (),
    "RESHAPE": (),
    "RESIZE_BILINEAR": (),
    "RESIZE_NEAREST_NEIGHBOR": (),
    "RSQRT": (),
    "SLICE": (),
    "SOFTMAX": (small_softmax,),
    "SPACE_TO_DEPTH": (),
    "SPLIT": (not_split_in_batch,),
    "SQUARED_DIFFERENCE": (),
    "SQUEEZE": (),
    "STRIDED_SLICE": (whole_strides,),
    "SUB": (),
    "SUM": (not_over_batch,),
    "TANH": (),
    "TRANSPOSE": (),
    "TRANSPOSE_CONV": (),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (),
}


def is_supported(operator: Operator) -> str | None:
    """Finds operators that the Edge TPU does not have."""
    if operator.name in LIMITS or leaves_integers(operator):
        return None
    return "The Edge TPU does not have it: it runs on the CPU. Replace the layer."


def is_within_limits(operator: Operator) -> str | None:
    """Finds operators that the Edge TPU has, but not in this form."""
    found = (limit(operator) for limit in LIMITS.get(operator.name, ()))
    return next((advice for advice in found if advice is not None), None)


def enters_integers(operator: Operator) -> bool:
    """Whether this is the operator that quantises a float input of the network."""
    return operator.name == "QUANTIZE" and operator.inputs[0].type == "FLOAT32"


def leaves_integers(operator: Operator) -> bool:
    """Whether this is the operator that gives an output of the network as floats."""
    return operator.name == "DEQUANTIZE" and operator.inputs[0].type in ("INT8", "UINT8")
