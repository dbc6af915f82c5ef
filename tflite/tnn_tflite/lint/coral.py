"""Google Coral, the Edge TPU: what its closed compiler would refuse or leave to the CPU.

The compiler takes the operators from the first to the last that it can map, as one operator of
its own; from the first that it cannot map, all run on the CPU. So what counts is the first finding.
"""

from collections.abc import Iterator, Sequence

from tnn_tflite.lint.coral_compile import compile_advice, parameter_memory
from tnn_tflite.lint.coral_operators import (
    enters_integers,
    is_supported,
    is_within_limits,
    leaves_integers,
)
from tnn_tflite.lint.coral_versions import version_is_read
from tnn_tflite.lint.operator_graph import Operator, OperatorGraph, Tensor
from tnn_tflite.lint.operator_rule import Finding, OperatorRule
from tnn_tflite.lint.static_shapes import static_shapes
from tnn_tflite.lint.target import Graphs, Target
from tnn_tflite.lint.weights import constant_weights, kernel_of, weights_of

MODELS = "coral.ai, TensorFlow models on the Edge TPU"
COMPILER = "coral.ai, Edge TPU Compiler"
SPECIFICATION = "TensorFlow Lite 8-bit quantization specification"
VERSIONS = "TensorFlow, runtime_version.cc; google-coral/edgetpu issues 631, 845, 879"

EIGHT_BITS = ("INT8", "UINT8")


def eight_bits(operator: Operator) -> str | None:
    if enters_integers(operator) or leaves_integers(operator):
        return None
    for tensor in operator.tensors:
        if tensor.type not in EIGHT_BITS and not _may_be_wide(operator, tensor):
            return (
                f"'{tensor.name}' is {tensor.type.lower()}. Convert with quantization='int8' and "
                "representative_data."
            )
    return None


def _may_be_wide(operator: Operator, tensor: Tensor) -> bool:
    """Biases are 32 bits wide, and so are constant shapes, axes and paddings."""
    return tensor.type == "INT32" and (tensor.constant or tensor in weights_of(operator))


def three_axes(operator: Operator) -> str | None:
    for tensor in operator.activations:
        if any(size != 1 for size in tensor.shape[:-3]):
            return (
                f"'{tensor.name}' of shape {tensor.shape}. Only the 3 inner axes may exceed 1: "
                "convert with a batch of one, and without further axes."
            )
    return None


def bias_is_vector(operator: Operator) -> str | None:
    for bias in weights_of(operator)[1:]:
        if len(bias.shape) != 1:
            return f"A bias of shape {bias.shape}. Only one number a channel."
    return None


def one_scale_for_dense(operator: Operator) -> str | None:
    kernel = kernel_of(operator)
    if operator.name == "FULLY_CONNECTED" and kernel is not None and len(kernel.scales) > 1:
        return (
            f"{len(kernel.scales)} scales, one a unit. Compilers of 2021 read one for the whole "
            "kernel. Convert with inference_type='int8', or write the layer as Conv2D 1x1."
        )
    return None


def stays_in_integers(operator: Operator) -> str | None:
    if enters_integers(operator) or leaves_integers(operator):
        return "It runs on the CPU. With inference_type='int8' the program does it, or nobody."
    return None


RULES = (
    OperatorRule("operator", MODELS, is_supported),
    OperatorRule("operator-version", VERSIONS, version_is_read),
    OperatorRule("limits", MODELS, is_within_limits),
    OperatorRule("8-bit", MODELS, eight_bits),
    OperatorRule("static-shapes", MODELS, static_shapes),
    OperatorRule("constant-weights", MODELS, constant_weights),
    OperatorRule("batch-1-3-axes", MODELS, three_axes),
    OperatorRule("bias-vector", SPECIFICATION, bias_is_vector),
    OperatorRule("dense-scale", SPECIFICATION, one_scale_for_dense),
    OperatorRule("float-ends", MODELS, stays_in_integers, fails=False),
)

# Who breaks one of these runs on the CPU. Of the others the compiler refuses the file, or worse.
ON_CPU = ("operator", "limits", "8-bit", "static-shapes", "constant-weights", "batch-1-3-axes")


def one_segment(graphs: Graphs, found: Sequence[Finding]) -> Iterator[Finding]:
    """Finds where the Edge TPU stops although operators follow that it has."""
    for utilization, graph in graphs.items():
        failing = {f.index for f in found if f.utilization == utilization and f.rule in ON_CPU}
        first = min(failing, default=None)
        behind = [] if first is None else _mapped_after(graph, first, failing)
        if behind:
            yield Finding(
                utilization,
                first,
                graph.operators[first].name,
                "one-segment",
                f"Behind it stand operators that the Edge TPU has ({len(behind)}): they run on "
                "the CPU, too. Move it to the end of the network.",
            )


def _mapped_after(graph: OperatorGraph, first: int, failing: set[int | None]) -> list[Operator]:
    rest = graph.operators[first + 1 :]
    return [op for op in rest if op.index not in failing and not leaves_integers(op)]


def _whole(graphs: Graphs, found: Sequence[Finding]) -> Iterator[Finding]:
    yield from one_segment(graphs, found)
    yield from parameter_memory(graphs)


CORAL = Target(
    name="coral",
    rules=RULES,
    unknown="whether large reshapes and resizes are mapped, how much of the memory the executable "
    "takes, and what the compiler leaves out 'due to some unspecified limitation'",
    whole=_whole,
    closing=compile_advice,
)
