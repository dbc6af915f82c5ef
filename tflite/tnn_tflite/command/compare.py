"""Puts a bundle beside the model that it was made of, or beside another bundle, on samples.

BUNDLE is a bundle. OTHER is the .keras file that it was converted from, or another bundle of the
network, such as an int8 one. SAMPLES is an .npz file with the samples x, and with the classes y if
accuracy is wanted. Give --calibration as `convert` was given it.

    keras-tnn compare bundle net.keras test.npz --calibration=train.npz
    keras-tnn compare bundle int8_bundle test.npz
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import flags

from tnn_tflite.command.arguments import Arguments
from tnn_tflite.command.interpreter_flags import define_interpreter_flags, open_dispatcher
from tnn_tflite.command.sample_file import as_numbers, read_array
from tnn_tflite.conversion.comparison import compare
from tnn_tflite.conversion.model_file import is_bundle, load_model
from tnn_tflite.dispatch.compare_bundles import compare_bundles
from tnn_tflite.result_table import ResultTable, checked_suffix


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn compare BUNDLE OTHER SAMPLES [FLAGS]", __doc__)
    _define_flags(arguments.flags)
    found = arguments.parse(argv)
    if found is None:
        return
    bundle, other, samples = found
    asked = arguments.flags
    if asked.save:
        checked_suffix(asked.save)
    x, y = read_array(samples, asked.key), _labels(samples)
    table = (_bundles if is_bundle(other) else _with_model)(bundle, other, x, y, asked)
    print(table)
    if asked.save:
        table.save(asked.save)


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "calibration", None, ".npy or .npz file with training inputs", flag_values=values
    )
    flags.DEFINE_float(
        "scale",
        None,
        "what integer pixels are divided by, if not as the bundle says",
        flag_values=values,
    )
    flags.DEFINE_string(
        "key", "x", "array of the .npz files that holds the inputs", flag_values=values
    )
    flags.DEFINE_string("save", None, ".csv or .json file for the table", flag_values=values)
    define_interpreter_flags(values)


def _labels(path: str) -> np.ndarray | None:
    data = np.load(path)
    if isinstance(data, np.ndarray):
        return None
    with data:
        return data["y"].reshape(-1) if "y" in data.files else None


def _bundles(one: str, other: str, x: Any, y: Any, asked: flags.FlagValues) -> ResultTable:
    first, second = (open_dispatcher(path, asked) for path in (one, other))
    bundle = first.bundle
    return compare_bundles(first, second, as_numbers(x, bundle.inputs[0], bundle, asked.scale), y)


def _with_model(path: str, model: str, x: Any, y: Any, asked: flags.FlagValues) -> ResultTable:
    bundle = open_dispatcher(path, asked).bundle
    return compare(
        load_model(model),
        path,
        as_numbers(x, bundle.inputs[0], bundle, asked.scale),
        y,
        calibration_data=read_array(asked.calibration, asked.key),
    )
