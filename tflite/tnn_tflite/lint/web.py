"""LiteRT.js, in a browser or in Node: what it would not load, and what `js/` does not run.

Its tensors have three types (`DATATYPES` of @litertjs/core 2.5.3); inside a network all are known.
"""

from collections.abc import Iterator, Sequence

from tnn_tflite.bundle.programs import CONTROLLER
from tnn_tflite.lint.operator_graph import Operator, Tensor
from tnn_tflite.lint.operator_rule import Finding, OperatorRule
from tnn_tflite.lint.static_shapes import static_shapes
from tnn_tflite.lint.target import Graphs, Target
from tnn_tflite.lint.xnnpack import is_delegated
from tnn_tflite.sharing.schema import names_of

TENSORS = "@litertjs/core 2.5.3, datatypes"
KERNELS = "@litertjs/core 2.5.3, measured in Node 20"
DISPATCHER = "tnn-dispatcher"

TYPES = ("FLOAT32", "UINT8", "INT32")


def is_builtin(operator: Operator) -> str | None:
    if operator.name in names_of("BuiltinOperator").values():
        return None
    return "It is a custom operator, and LiteRT.js takes none. Replace the layer."


def programs_and_tensors(graphs: Graphs, found: Sequence[Finding]) -> Iterator[Finding]:
    """What goes in and comes out, and programs that are not run."""
    for key, graph in graphs.items():
        if isinstance(key, str) and key != CONTROLLER:
            advice = "js/ runs levels and controllers only. Convert levels."
            yield Finding(key, None, "-", "role", advice)
        for tensor in (*graph.inputs, *graph.outputs):
            if tensor.type not in TYPES:
                yield Finding(key, None, "-", "tensors", _advice(tensor))


def _advice(tensor: Tensor) -> str:
    what = f"'{tensor.name}' is {tensor.type.lower()}, which LiteRT.js does not load."
    if tensor.scales:
        return f"{what} Convert with inference_type='float32', or 'uint8' where it was 'int8'."
    return f"{what} Give the network a Cast to float32 or int32 there."


RULES = (
    OperatorRule("custom", KERNELS, is_builtin),
    OperatorRule("static-shapes", DISPATCHER, static_shapes),
    OperatorRule("slow-kernel", KERNELS, is_delegated, fails=False),
)

WEB = Target(
    name="web",
    rules=RULES,
    unknown="what a level takes there: some times of what it takes natively, see docs/browser.md",
    whole=programs_and_tensors,
)
