"""Checks a bundle against the published rules of a target, without the target's own tools.

--target=coral knows the Edge TPU's compiler, micro knows tflite-micro, web LiteRT.js in browsers,
xnnpack the fast kernels of CPUs. Prints level, place and name of the operator, the rule, and what
to do. The exit status is 1 if a level fails and 0 if there are no findings, or notes only.

    keras-tnn lint bundle --target=coral --order=0.5,1,0.25
"""

from collections.abc import Sequence

from absl import flags

from tnn_tflite.command.arguments import Arguments
from tnn_tflite.command.utilizations import utilizations
from tnn_tflite.lint import TARGETS, lint

FAILED = 1  # exit status


def main(argv: Sequence[str]) -> int | None:
    arguments = Arguments("keras-tnn lint BUNDLE [FLAGS]", __doc__)
    flags.DEFINE_enum(
        "target", None, list(TARGETS), "what the bundle shall run on", flag_values=arguments.flags
    )
    flags.DEFINE_list("order", None, "the levels, the most used first", flag_values=arguments.flags)
    found = arguments.parse(argv)
    if found is None:
        return None
    (directory,) = found
    if arguments.flags.target is None:
        raise ValueError(f"Expected --target, one of {', '.join(TARGETS)}. Received: none")
    order = arguments.flags.order
    report = lint(
        directory, arguments.flags.target, None if order is None else utilizations(order, "order")
    )
    print(report)
    return FAILED if report.failed else 0
