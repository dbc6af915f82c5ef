"""What a device would say about a bundle, before one is at hand.

`lint` reads the TFLite file of every level and checks it against the published rules of a target:
`coral` (Edge TPU), `micro` (tflite-micro), `web` (LiteRT.js) or `xnnpack` (fast kernels on CPUs). A
rule is a small function from an operator to advice; a target is a list of rules. Each names the
document it is from. What only the device's own tools can tell is said at the end of every report.
"""

from tnn_tflite.lint.linter import TARGETS, Report, lint, lint_graphs
from tnn_tflite.lint.operator_graph import Operator, OperatorGraph, Tensor, read_operator_graph
from tnn_tflite.lint.operator_rule import Finding, OperatorRule
from tnn_tflite.lint.target import Target

__all__ = [
    "Finding",
    "OperatorGraph",
    "Operator",
    "Report",
    "OperatorRule",
    "TARGETS",
    "Target",
    "Tensor",
    "lint",
    "lint_graphs",
    "read_operator_graph",
]
