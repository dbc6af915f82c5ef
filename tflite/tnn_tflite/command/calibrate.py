"""Measures each level of a bundle on this device and stores the table beside the bundle.

The dispatcher's latency budgets and policies then know what a level takes here. Latencies are
those of this runtime and number of threads: calibrate with the flags that you run with. Energy is
measured where the kernel's counters (/sys/class/powercap) can be read, often by root only.

    keras-tnn calibrate bundle --labelled=test.npz
"""

from collections.abc import Sequence

import numpy as np
from absl import flags

from tnn_tflite.command.arguments import Arguments
from tnn_tflite.command.interpreter_flags import define_interpreter_flags, open_dispatcher
from tnn_tflite.command.sample_file import as_input, read_labelled, read_sample
from tnn_tflite.dispatch.calibrate import calibrate
from tnn_tflite.dispatch.dispatcher import Dispatcher
from tnn_tflite.latency.powercap import POWERCAP
from tnn_tflite.latency.table_file import table_path


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn calibrate BUNDLE [FLAGS]", __doc__)
    values = arguments.flags
    _define_flags(values)
    found = arguments.parse(argv)
    if found is None:
        return
    dispatcher = open_dispatcher(found[0], values)
    table = calibrate(
        dispatcher,
        x=_sample(dispatcher, values),
        labelled=_labelled(dispatcher, values),
        rounds=values.rounds,
        powercap=values.powercap,
    )
    print(table)
    print(f"stored in {table_path(dispatcher.bundle.directory, table.conditions)}")


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_integer(
        "rounds", 50, "timed runs of each level", lower_bound=3, flag_values=values
    )
    flags.DEFINE_string(
        "sample", None, ".npy, .npz or picture to run; zeros if not given", flag_values=values
    )
    flags.DEFINE_float(
        "scale",
        None,
        "what integer pixels are divided by, if not as the bundle says",
        flag_values=values,
    )
    flags.DEFINE_string(
        "labelled", None, ".npz with samples x and classes y: store accuracy", flag_values=values
    )
    flags.DEFINE_string(
        "powercap", POWERCAP, "where Linux has its energy counters", flag_values=values
    )
    define_interpreter_flags(values)


def _sample(dispatcher: Dispatcher, values: flags.FlagValues) -> dict[str, np.ndarray] | None:
    if values.sample is None:
        return None
    return read_sample(values.sample, dispatcher.bundle, values.scale)


def _labelled(
    dispatcher: Dispatcher, values: flags.FlagValues
) -> tuple[np.ndarray, np.ndarray] | None:
    if values.labelled is None:
        return None
    x, y = read_labelled(values.labelled)
    bundle = dispatcher.bundle
    return as_input(x, bundle.inputs[0], bundle, values.scale), y
