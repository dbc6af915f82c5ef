"""Measures every level of a model or of a bundle on labelled samples.

MODEL is a .keras file, whose levels are cut out and evaluated with its own metrics, or a bundle,
whose levels run on the interpreter: then bytes and milliseconds of this machine stand beside the
accuracy. SAMPLES is an .npz file with the samples x and the classes y. --save writes a table for
`keras-tnn plot` and `keras-tnn levels --table`.

    keras-tnn evaluate net.keras test.npz --levels=0.25,0.5,1 --calibration=train.npz
    keras-tnn evaluate bundle test.npz --save=levels.csv
"""

from collections.abc import Sequence
from typing import Any

from absl import flags

from tnn_tflite.command.arguments import Arguments
from tnn_tflite.command.interpreter_flags import define_interpreter_flags, open_dispatcher
from tnn_tflite.command.sample_file import as_numbers, read_array, read_labelled
from tnn_tflite.command.utilizations import utilizations
from tnn_tflite.conversion.converter import LEVELS
from tnn_tflite.conversion.model_file import is_bundle, load_model
from tnn_tflite.dispatch.evaluate_bundle import evaluate_bundle
from tnn_tflite.result_table import ResultTable, checked_suffix


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn evaluate MODEL SAMPLES [FLAGS]", __doc__)
    _define_flags(arguments.flags)
    found = arguments.parse(argv)
    if found is None:
        return
    model, samples = found
    asked = arguments.flags
    if asked.save:
        checked_suffix(asked.save)  # before minutes of work
    evaluated = _bundle if is_bundle(model) else _model
    table = evaluated(model, *read_labelled(samples, asked.key), asked)
    print(table)
    if asked.save:
        table.save(asked.save)


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_list(
        "levels", ",".join(map(str, LEVELS)), "of a model: utilizations, rising", flag_values=values
    )
    flags.DEFINE_string(
        "calibration", None, "of a model: .npy or .npz with training inputs", flag_values=values
    )
    flags.DEFINE_float(
        "scale",
        None,
        "of a bundle: what integer pixels are divided by, if not as it says",
        flag_values=values,
    )
    flags.DEFINE_string(
        "key", "x", "array of the .npz files that holds the inputs", flag_values=values
    )
    flags.DEFINE_string("save", None, ".csv or .json file for the table", flag_values=values)
    define_interpreter_flags(values)


def _bundle(path: str, x: Any, y: Any, asked: flags.FlagValues) -> ResultTable:
    dispatcher = open_dispatcher(path, asked)
    bundle = dispatcher.bundle
    return evaluate_bundle(dispatcher, as_numbers(x, bundle.inputs[0], bundle, asked.scale), y)


def _model(path: str, x: Any, y: Any, asked: flags.FlagValues) -> ResultTable:
    model = load_model(path)

    import keras_tnn

    return keras_tnn.evaluate_levels(
        model,
        x,
        y,
        utilizations(asked.levels, "levels"),
        calibration_data=read_array(asked.calibration, asked.key),
        measure=None if model.compiled else _accuracy,
        verbose=None,
    )


def _accuracy(network: Any, x: Any, y: Any) -> dict[str, float]:
    """What is measured of a model that was never compiled."""
    return {"accuracy": float((network.predict(x, verbose=0).argmax(axis=-1) == y).mean())}
