"""Prints a bundle's levels: utilization, multiply-accumulates, weights and bytes of each.

A controller, which chooses the level, stands below them. Of a network with exits each row is an
exit with all that runs up to it. With --measure each is run on this machine and the median time of
a sample is added.

With bounds it says which u fits. Bytes are in the manifest, milliseconds are those that
`calibrate` stored or are measured now, and accuracy is what `calibrate --labelled` stored or what
stands in --table, a file that `evaluate --save` wrote. The exit status is 1 if no level fits.

    keras-tnn levels bundle --measure
    keras-tnn levels bundle --table=levels.csv --accuracy=0.9 --bytes=200k --ms=4
"""

from collections.abc import Sequence

import numpy as np
from absl import flags

from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.command.amount import amount
from tnn_tflite.command.arguments import Arguments
from tnn_tflite.command.interpreter_flags import define_interpreter_flags, open_dispatcher
from tnn_tflite.dispatch.bundle_table import BundleTable
from tnn_tflite.dispatch.calibrate import warm_calls
from tnn_tflite.latency.in_turn import seconds_in_turn
from tnn_tflite.result_table import read_columns

SHOWN = 10  # of the labels
NONE_FITS = 1  # exit status


def main(argv: Sequence[str]) -> int | None:
    arguments = Arguments("keras-tnn levels BUNDLE [FLAGS]", __doc__)
    _define_flags(arguments.flags)
    found = arguments.parse(argv)
    if found is None:
        return None
    (directory,) = found
    asked = arguments.flags
    bundle = read_bundle(directory)
    bounds = _bounds(asked)
    controller = () if bundle.controller is None else (bundle.controller,)
    table = _with_table(BundleTable.of((*bundle.points, *controller)), asked.table)
    table = _with_device(table, directory, bounds, asked)
    print(table)
    for name, labels in bundle.labels.items():
        print(f"labels of {name}: {', '.join(labels[:SHOWN])}{', ...' * (len(labels) > SHOWN)}")
    for name, steps in bundle.preprocessing.items():
        print(f"preprocessing of {name}: {steps}")
    return _print_fitting(table, bounds) if bounds else None


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_bool(
        "measure", False, "run each level and print its median time", flag_values=values
    )
    flags.DEFINE_integer(
        "repeats", 50, "timed runs of each level", lower_bound=1, flag_values=values
    )
    flags.DEFINE_float(
        "accuracy", None, "which u is right that often, in [0, 1]", 0, 1, flag_values=values
    )
    flags.DEFINE_string(
        "bytes", None, "which u takes at most that, as 200k or 1.5M", flag_values=values
    )
    flags.DEFINE_float("ms", None, "which u takes at most so many milliseconds", flag_values=values)
    flags.DEFINE_string(
        "table", None, ".csv or .json of `evaluate --save`: accuracy, ms", flag_values=values
    )
    define_interpreter_flags(values)


def _bounds(asked: flags.FlagValues) -> dict[str, float]:
    size = None if asked.bytes is None else amount(asked.bytes, "bytes")
    bounds = {"accuracy": asked.accuracy, "bytes": size, "milliseconds": asked.ms}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _with_table(table: BundleTable, path: str | None) -> BundleTable:
    if path is None:
        return table
    columns = read_columns(path)
    known = [name for name in ("accuracy", "milliseconds") if name in columns]
    if "utilization" not in columns or not known:
        raise ValueError(
            f"Expected the columns utilization and accuracy in '{path}'. "
            f"Received: {', '.join(columns)}"
        )
    names = columns.get("name", [None] * len(columns["utilization"]))
    points = list(zip(columns["utilization"], names, strict=True))
    return table.measured(**{name: dict(zip(points, columns[name], strict=True)) for name in known})


def _with_device(
    table: BundleTable, directory: str, bounds: dict[str, float], asked: flags.FlagValues
) -> BundleTable:
    """The table with what this device knows, where that is asked for."""
    wanted = [name for name in bounds if not table.knows(name)]
    if not wanted and not asked.measure:
        return table
    dispatcher = open_dispatcher(directory, asked)
    stored = dispatcher.known_levels
    for name in wanted:
        table = table.measured(**{name: [getattr(level, name) for level in stored]})
    if asked.measure or "milliseconds" in bounds and not table.knows("milliseconds"):
        seconds = seconds_in_turn(warm_calls(dispatcher), rounds=asked.repeats)
        table = table.measured(milliseconds=(1000 * np.median(seconds, axis=0)).tolist())
    if "accuracy" in bounds and not table.knows("accuracy"):
        raise ValueError(
            "The accuracy of the levels is not known. Expected --table, a file that "
            "'keras-tnn evaluate BUNDLE SAMPLES --save' wrote, or a run of 'keras-tnn calibrate "
            f"BUNDLE --labelled' before. Received: --accuracy={bounds['accuracy']:g}"
        )
    return table


def _print_fitting(table: BundleTable, bounds: dict[str, float]) -> int | None:
    fitting = [row.title for row in table.fitting(**bounds)]
    if not fitting:
        print("fits: none")
        return NONE_FITS
    cheapest = f"; the cheapest is u={fitting[0]}" * (len(fitting) > 1)
    print(f"fits: u={', '.join(fitting)}{cheapest}")
    return None
