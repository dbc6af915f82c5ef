"""XNNPACK, the fast kernels of the TFLite interpreters on CPUs: which operators run outside it.

What it does not take runs on the interpreter's own kernels: right, but slower, and the network is
cut into parts. The operators are those of the delegate's README; where that is older than the
delegate, those that ai-edge-litert 2.3 was seen to hand over (x86-64, 2026-11).
"""

import math

from tnn_tflite.lint.operator_graph import Operator, Tensor
from tnn_tflite.lint.operator_rule import OperatorRule
from tnn_tflite.lint.static_shapes import batch_of_one, static_shapes
from tnn_tflite.lint.target import Target
from tnn_tflite.lint.weights import constant_weights, kernel_of

README = "LiteRT, tflite/delegates/xnnpack/README.md"
MEASURED = f"{README}; ai-edge-litert 2.3, measured"

FLOAT = """
ABS ADD AVERAGE_POOL_2D BATCH_MATMUL CEIL CONCATENATION CONV_2D DEPTH_TO_SPACE DEPTHWISE_CONV_2D
DEQUANTIZE DIV ELU EXP EXPAND_DIMS FLOOR FULLY_CONNECTED GELU HARD_SWISH LEAKY_RELU LOGISTIC
MAX_POOL_2D MAXIMUM MEAN MINIMUM MUL NEG PAD PRELU QUANTIZE REDUCE_MAX REDUCE_MIN RELU
RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR ROUND RSQRT SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT
SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV
"""
EIGHT_BITS = """
ADD CONCATENATION CONV_2D DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE ELU EXPAND_DIMS
FULLY_CONNECTED LEAKY_RELU LOGISTIC MAX_POOL_2D MEAN MUL PAD QUANTIZE REDUCE_MAX REDUCE_MIN RESHAPE
RESIZE_BILINEAR SLICE SPACE_TO_DEPTH SPLIT STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV
"""
KNOWN = {
    "FLOAT32": FLOAT.split(),
    "INT8": EIGHT_BITS.split(),
    "UINT8": EIGHT_BITS.split(),
}

# How often XNNPACK's time in float32 the interpreter's own int8 kernel takes, at the sizes of a ViT
# of width 128 on 64 patches: 50, 91, 31 and 4 us a call (x86-64, one thread, 2026-12).
SLOWER_IN_INT8 = {"SQUARED_DIFFERENCE": 51, "BATCH_MATMUL": 14, "SOFTMAX": 6, "GELU": 1.4}

BIAS_IS_A_MUST = ("CONV_2D", "DEPTHWISE_CONV_2D")
ACTIVATIONS = {4: "tanh", 5: "sign_bit"}  # of the schema's ActivationFunctionType
LONGEST_CONCATENATION = 4
MOST_PARTS = 4
SMALL = 1024  # elements; a softmax over classes costs next to nothing anywhere


def is_delegated(operator: Operator) -> str | None:
    kind = _computed_type(operator)
    if operator.name in KNOWN.get(kind, ()) or _is_small(operator):
        return None
    ratio = SLOWER_IN_INT8.get(operator.name) if kind == "INT8" else None
    slower = (
        f"{operator.name} in a ViT took {ratio} times as long as in float32. Ship the network in "
        "float32, replace the layer, or measure that it costs little."
    )
    return (
        f"XNNPACK does not take it in {kind.lower()}: it runs on the interpreter's own kernel. "
        + (slower if ratio else "Replace the layer, or measure that it costs little.")
    )


def is_delegated_or_small(operator: Operator) -> str | None:
    kind = _computed_type(operator)
    if operator.name in KNOWN.get(kind, ()) or not _is_small(operator):
        return None
    return f"XNNPACK does not take it in {kind.lower()}. It is small: leave it."


def _is_small(operator: Operator) -> bool:
    return all(math.prod(tensor.shape) <= SMALL for tensor in operator.tensors)


def _computed_type(operator: Operator) -> str:
    """The type of the numbers: of what goes in, where the operator turns one into the other."""
    inputs = [x for x in operator.inputs if x is not None]
    sources = inputs[:1] if operator.name == "DEQUANTIZE" else operator.outputs
    if operator.name == "DEQUANTIZE" and sources[0].type == "FLOAT16":
        return "FLOAT32"  # weights stored in half: unpacked once, when the network is loaded
    return sources[0].type


def plain_activation(operator: Operator) -> str | None:
    activation = ACTIVATIONS.get(operator.options.get("fusedActivationFunction", 0))
    return activation and f"It has a fused {activation}. Make that a layer of its own."


def has_bias(operator: Operator) -> str | None:
    if operator.name not in BIAS_IS_A_MUST:
        return None
    bias = operator.inputs[2] if len(operator.inputs) > 2 else None
    return "It has no bias. Give the layer one." if bias is None else None


def few_parts(operator: Operator) -> str | None:
    if operator.name == "CONCATENATION" and len(operator.inputs) > LONGEST_CONCATENATION:
        return f"It joins {len(operator.inputs)} tensors, XNNPACK at most 4. Join them in steps."
    if operator.name == "SPLIT" and len(operator.outputs) > MOST_PARTS:
        return f"It splits into {len(operator.outputs)}, XNNPACK into at most 4. Split in steps."
    return None


def signed_by_channel(operator: Operator) -> str | None:
    kernel = kernel_of(operator)
    if kernel is None or kernel.type not in ("INT8", "UINT8"):
        return None
    if kernel.type == "UINT8":
        return "Its weights are uint8, of the old tooling: slow on ARM. Convert to int8."
    if operator.name != "FULLY_CONNECTED" and len(kernel.scales) < _channels(operator, kernel):
        return "Its weights have one scale. One a channel keeps more accuracy and is as fast."
    return None


def _channels(operator: Operator, kernel: Tensor) -> int:
    return kernel.shape[-1] if operator.name == "DEPTHWISE_CONV_2D" else kernel.shape[0]


RULES = (
    OperatorRule("operator", MEASURED, is_delegated),
    OperatorRule("small-operator", MEASURED, is_delegated_or_small, fails=False),
    OperatorRule("activation", README, plain_activation),
    OperatorRule("bias", README, has_bias),
    OperatorRule("parts", README, few_parts),
    OperatorRule("constant-weights", README, constant_weights),
    OperatorRule("static-shapes", README, static_shapes),
    OperatorRule("batch-1", README, batch_of_one, fails=False),
    OperatorRule("weights", README, signed_by_channel, fails=False),
)

XNNPACK = Target(
    name="xnnpack",
    rules=RULES,
    unknown="which version of XNNPACK the device's interpreter has, and what an operator outside "
    "it costs ('keras-tnn levels --measure' tells on the device)",
)
