"""tflite-micro: what its interpreter or its kernels would refuse on a microcontroller.

The types are those of its kernels' sources: none computes in float16, unsigned 8-bit numbers are
converted and reversed only, and floats are never multiplied by integer weights.
"""

from tnn_tflite.lint.micro_operators import METHODS
from tnn_tflite.lint.operator_graph import Operator
from tnn_tflite.lint.operator_rule import OperatorRule
from tnn_tflite.lint.static_shapes import static_shapes
from tnn_tflite.lint.target import Target
from tnn_tflite.lint.weights import kernel_of

RESOLVER = "tflite-micro, micro_mutable_op_resolver.h"
KERNELS = "tflite-micro, sources of the kernels"
PLANNING = "tflite-micro, docs/memory_management.md"

TAKE_UNSIGNED = ("QUANTIZE", "DEQUANTIZE", "REVERSE_V2")


def is_registered(operator: Operator) -> str | None:
    if operator.name in METHODS:
        return None
    return "tflite-micro has no kernel for it. Replace the layer."


def known_types(operator: Operator) -> str | None:
    types = {tensor.type for tensor in operator.tensors}
    if "FLOAT16" in types:
        return "Its tensors are float16. Convert with quantization='int8', or None for float32."
    if "UINT8" in types and operator.name not in TAKE_UNSIGNED:
        return "Its tensors are uint8. Convert with quantization='int8' and signed integers."
    return None


def one_kind_of_number(operator: Operator) -> str | None:
    kernel = kernel_of(operator)
    if kernel is None or operator.outputs[0].type != "FLOAT32" or kernel.type == "FLOAT32":
        return None
    return (
        f"It multiplies floats by {kernel.type.lower()} weights. Convert with "
        "quantization='int8' and representative_data in the place of 'dynamic'."
    )


def gathers_by_int32(operator: Operator) -> str | None:
    if operator.name in ("GATHER", "GATHER_ND") and operator.inputs[1].type != "INT32":
        kind = operator.inputs[1].type.lower()
        return f"Its positions are {kind}. tflite-micro gathers by int32 alone: cast them."
    return None


def runs_in_integers(operator: Operator) -> str | None:
    if operator.name not in ("QUANTIZE", "DEQUANTIZE") and "FLOAT32" in {
        tensor.type for tensor in operator.outputs
    }:
        return "It computes in float32: four times the memory, and slow without a float unit."
    return None


RULES = (
    OperatorRule("operator", RESOLVER, is_registered),
    OperatorRule("types", KERNELS, known_types),
    OperatorRule("hybrid", KERNELS, one_kind_of_number),
    OperatorRule("positions", KERNELS, gathers_by_int32),
    OperatorRule("static-shapes", PLANNING, static_shapes),
    OperatorRule("float32", KERNELS, runs_in_integers, fails=False),
)

MICRO = Target(
    name="micro",
    rules=RULES,
    unknown="whether arena and arrays fit the device ('keras-tnn micro' measures the arena), and "
    "the limits of kernels that replace the reference ones, such as CMSIS-NN",
)
