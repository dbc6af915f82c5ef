"""Runs a bundle on an image and prints the outputs, the level that ran and its latency.

IMAGE is a .npy or .npz file with one sample or a batch, or a picture (.png, .jpg; needs Pillow),
which is resized to the network's input. Pixels become numbers as the bundle says, or are divided by
--scale.

    keras-tnn run bundle cat.png --utilization=0.5
    keras-tnn run bundle cat.png --budget_ms=4
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from absl import flags

from tnn_tflite.command.arguments import Arguments
from tnn_tflite.command.interpreter_flags import define_interpreter_flags, open_dispatcher
from tnn_tflite.command.latency import median_milliseconds
from tnn_tflite.command.sample_file import read_sample
from tnn_tflite.dispatch.dispatcher import Dispatcher
from tnn_tflite.dispatch.result import Result
from tnn_tflite.quantized_values import dequantize

ROWS = 10  # samples of a batch that are printed


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn run BUNDLE IMAGE [FLAGS]", __doc__)
    values = arguments.flags
    _define_flags(values)
    found = arguments.parse(argv)
    if found is None:
        return
    directory, image = found
    dispatcher = open_dispatcher(directory, values)
    x = read_sample(image, dispatcher.bundle, values.scale)
    asked = _asked(values, dispatcher)
    if not asked or dispatcher.bundle.segments:
        dispatcher.warm_up()  # no budget is spent on files, and the shares are of a usual call
    result = dispatcher.run(x, **asked)
    outputs = _by_name(dispatcher, result)
    _print_level(result, asked)
    again = {} if not asked else result.level.arguments  # without what a budget takes
    milliseconds = median_milliseconds(partial(dispatcher, x, **again), values.repeats)
    print(
        f"latency   {milliseconds:.3f} ms a call, median of {values.repeats} "
        f"on {dispatcher.runtime}"
    )
    for spec in dispatcher.bundle.outputs:
        labels = dispatcher.bundle.labels.get(spec.name)
        _print_output(spec.name, outputs[spec.name], len(spec.shape), values.top, labels)
    if values.output:
        np.savez(values.output, **outputs)


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_float(
        "utilization",
        None,
        "how much runs, in (0, 1]; if not given the bundle's controller chooses, else 1",
        flag_values=values,
    )
    flags.DEFINE_float(
        "budget_ms", None, "what a call may take, in the place of u", flag_values=values
    )
    flags.DEFINE_float(
        "scale",
        None,
        "what integer pixels are divided by, if not as the bundle says",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "top", 3, "classes printed for each sample", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer("repeats", 20, "timed runs", lower_bound=1, flag_values=values)
    flags.DEFINE_string("output", None, ".npz file to save the outputs in", flag_values=values)
    define_interpreter_flags(values)


def _by_name(dispatcher: Dispatcher, result: Result) -> dict[str, np.ndarray]:
    """The outputs as numbers, also where the network gives integers that stand for them."""
    outputs, specs = result.outputs, dispatcher.bundle.outputs
    if not isinstance(outputs, dict):
        outputs = {specs[0].name: outputs}
    forms = zip(specs, result.level.output_quantization, strict=False)
    found = {spec.name: dequantize(outputs[spec.name], form) for spec, form in forms if form}
    return {**outputs, **found}


def _asked(values: flags.FlagValues, dispatcher: Dispatcher) -> dict[str, float]:
    given = {name: values[name].value for name in ("utilization", "budget_ms")}
    asked = {name: value for name, value in given.items() if value is not None}
    if asked or dispatcher.controller is not None:
        return asked
    return {"utilization": 1.0}


def _print_level(result: Result, asked: dict[str, float]) -> None:
    level = result.level
    wish = "".join(f" for {name}={value:g}" for name, value in asked.items())
    name = "level     " if result.exit is None else f"exit      {result.exit}, "
    print(f"{name}u={level.utilization:g}{wish}: {level.macs:,} MACs, {level.bytes:,} bytes")
    print(f"reason    {result.reason}")
    if not asked:
        print(
            f"choice    {result.choice_macs:,} of the call's {result.macs:,} MACs, "
            f"{result.choice_milliseconds:.3f} of its {result.milliseconds:.3f} ms"
        )


def _print_output(
    name: str, output: np.ndarray, rank: int, top: int, labels: Sequence[str] | None
) -> None:
    if rank != 1:
        print(f"{name}  {output.dtype} {output.shape}, {output.min():g} to {output.max():g}")
        return
    print(f"{name:<9} class:value, the {top} largest")
    samples = output if output.ndim == 2 else output[np.newaxis]
    for number, sample in enumerate(samples[:ROWS]):
        best = [(i, i if labels is None else labels[i]) for i in np.argsort(sample)[::-1][:top]]
        print(f"{number:>9} " + "  ".join(f"{name}:{sample[i]:.4f}" for i, name in best))
    if len(samples) > ROWS:
        print(f"          and {len(samples) - ROWS} more samples; --output saves all of them")
