"""Prints a bundle's levels: utilization, multiply-accumulates, weights and bytes of each.

A controller, which chooses the level, stands below them. Of a network with exits each row is an
exit with all that runs up to it. With --measure each is run on this machine and the median time of
a sample is added.

    keras-tnn levels bundle --measure
"""

from collections.abc import Sequence

import numpy as np
from absl import flags

from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.command.arguments import Arguments
from tnn_tflite.command.interpreter_flags import define_interpreter_flags, open_dispatcher
from tnn_tflite.command.level_table import level_table
from tnn_tflite.dispatch.calibrate import warm_calls
from tnn_tflite.latency.in_turn import seconds_in_turn

SHOWN = 10  # of the labels


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn levels BUNDLE [FLAGS]", __doc__)
    flags.DEFINE_bool(
        "measure", False, "run each level and print its median time", flag_values=arguments.flags
    )
    flags.DEFINE_integer(
        "repeats", 50, "timed runs of each level", lower_bound=1, flag_values=arguments.flags
    )
    define_interpreter_flags(arguments.flags)
    found = arguments.parse(argv)
    if found is None:
        return
    (directory,) = found
    bundle = read_bundle(directory)
    times = _measure(directory, arguments.flags) if arguments.flags.measure else None
    controller = () if bundle.controller is None else (bundle.controller,)
    print(level_table((*bundle.points, *controller), times))
    for name, labels in bundle.labels.items():
        print(f"labels of {name}: {', '.join(labels[:SHOWN])}{', ...' * (len(labels) > SHOWN)}")
    for name, steps in bundle.preprocessing.items():
        print(f"preprocessing of {name}: {steps}")


def _measure(directory: str, values: flags.FlagValues) -> list[float]:
    calls = warm_calls(open_dispatcher(directory, values))
    seconds = seconds_in_turn(calls, rounds=values.repeats)
    return (1000 * np.median(seconds, axis=0)).tolist()
