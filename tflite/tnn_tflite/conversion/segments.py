"""A network with exits as a bundle of segments: each level converted whole, and then split.

Keras and TensorFlow are imported when a function runs, so that devices never load them.
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.bundle.description import Bundle, Preprocessing
from tnn_tflite.bundle.labels import Labels
from tnn_tflite.bundle.programs import Edge, Quantization, TensorSpec
from tnn_tflite.bundle.segment_writer import SegmentContent, segment_name, write_segments
from tnn_tflite.conversion.keras_to_tflite import ConvertedFile, tflite_file
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.quantization.aware_training import AwareTraining
from tnn_tflite.quantization.input_means import input_means
from tnn_tflite.quantization.plan import Plan
from tnn_tflite.sharing.bias_correction import corrected
from tnn_tflite.sharing.split import SegmentFile, split_at_exits

if TYPE_CHECKING:
    import keras

    from keras_tnn.surgery import Segment


def has_exits(model: Any, exits: bool | None) -> bool:
    """Whether `convert` makes segments of a model: as it was told, or as the model says."""
    return bool(getattr(model, "exit_names", None)) if exits is None else bool(exits)


def exits_alone(network: keras.Model, model: keras.Model) -> keras.Model:
    """A level without the gates that its model learned for its exits, which do not ship."""
    import keras

    import keras_tnn

    kinds = (keras_tnn.exits.GatedExitsModel, keras_tnn.exits.ThrottledGatedExitsModel)
    if not isinstance(model, kinds):
        return network
    exits = network.outputs[: len(model.exit_names)]
    return keras.Model(network.input, exits, name=network.name)


def check_alone(
    model: Any,
    controller: Any,
    layout: str,
    quantization: str | AwareTraining | None,
) -> None:
    """Raises `ValueError` for what a bundle of segments cannot have beside them.

    Args:
        model, controller, layout, quantization: As for `convert`.
    """
    if isinstance(model, Mapping):
        raise _error("model", "one network for exits=True", "a mapping, which has levels")
    if controller is not None:
        raise _error("controller", "None for a network with exits", type(controller).__name__)
    if layout != "files":
        raise _error("layout", "'files' for a network with exits", f"layout={layout!r}")
    if quantization == "qat" or isinstance(quantization, AwareTraining):
        raise _error(
            "quantization", "another mode than 'qat' for a network with exits", repr(quantization)
        )


def convert_segments(
    networks: Mapping[float | None, keras.Model],
    names: Sequence[str] | None,
    directory: str | os.PathLike,
    plan: Plan,
    labels: Labels | None,
    preprocessing: Mapping[str, Preprocessing],
    verbose: bool,
    accuracies: Mapping[tuple[float, str], float] | None = None,
) -> Bundle:
    """Converts a plain network with exits, or one for each level, and writes all.

    Args:
        networks: The network, by None; or that of each level by its utilization, rising. Its
            outputs are its exits in order of depth.
        names: Of the exits; None takes those of the outputs.
        plan: How it is quantized.
        directory, labels, verbose: As for `convert`.
        preprocessing: By the name of the input.
        accuracies: As for `convert`.

    Raises:
        ValueError: If exits differ in shape or type, or one of them costs nothing.
    """
    contents: list[SegmentContent] = []
    for utilization, network in networks.items():
        of_level = _of_level(network, names, utilization, plan)
        contents += of_level
        if verbose:
            _print_progress(of_level, utilization)
    if accuracies is not None:
        contents = _with_accuracies(contents, accuracies)
    return write_segments(directory, contents, labels, preprocessing)


def _with_accuracies(
    contents: Sequence[SegmentContent], accuracies: Mapping[tuple[float, str], float]
) -> list[SegmentContent]:
    points = [(one.utilization, one.exit) for one in contents]
    good = all(isinstance(a, numbers.Real) and 0 <= a <= 1 for a in accuracies.values())
    if {*accuracies} != {*points} or not good:
        expected = f"a number in [0, 1] for each exit of each of several levels, {points}"
        raise _error("accuracies", expected, str(dict(accuracies)))
    return [
        replace(one, accuracy=float(accuracies[point]))
        for one, point in zip(contents, points, strict=True)
    ]


def _of_level(
    network: keras.Model, names: Sequence[str] | None, utilization: float | None, plan: Plan
) -> list[SegmentContent]:
    from keras_tnn.surgery import segments

    parts = segments(network, names)
    level = "" if utilization is None else f"level u={utilization:g} of "
    file = tflite_file(network, plan, f"{level}'{network.name}'")
    _check_answers(file.outputs)
    files = split_at_exits(_with_correct_biases(file, plan), [spec.name for spec in file.outputs])
    return list(_contents(parts, files, utilization))


def _print_progress(contents: Sequence[SegmentContent], utilization: float | None) -> None:
    level = "" if utilization is None else f"u={utilization:g}  "
    for count, one in enumerate(contents, start=1):
        print(
            f"{level}{count}/{len(contents)}  up to exit '{one.exit}': {one.macs:,} MACs, "
            f"{one.parameters:,} parameters, {len(one.content):,} bytes"
        )


def _with_correct_biases(file: ConvertedFile, plan: Plan) -> bytes:
    """As the levels of a bundle have them, see `sharing.bias_correction`."""
    if plan.mode != "int8" or not file.float_content:
        return file.content
    names = [spec.name for spec in file.inputs]
    means = input_means(file.float_content, dict(zip(names, plan.samples, strict=True)))
    return corrected(file.content, file.float_content, means)


def _contents(
    parts: Sequence[Segment], files: Sequence[SegmentFile], utilization: float | None
) -> Iterator[SegmentContent]:
    import keras_tnn

    names = [segment_name(part.exit, utilization) for part in parts]
    for part, file in zip(parts, files, strict=True):
        macs = int(keras_tnn.count_macs(part.model))
        if macs == 0:
            raise _error(
                "model",
                "multiply-accumulates before each exit, so that a later one costs more",
                f"none before '{part.exit}' that an earlier one does not need",
            )
        runner = find_runtime().interpreter(file.content).get_signature_runner()
        inputs = _described(file.inputs, runner.get_input_details())
        outputs = _described(file.outputs, runner.get_output_details())
        edges = tuple(
            Edge(names[index], output, segment_name(part.exit, utilization), name)
            for name, (index, output) in file.origins.items()
        )
        yield SegmentContent(
            content=file.content,
            inputs=tuple(spec for spec, _ in inputs),
            outputs=tuple(spec for spec, _ in outputs),
            macs=macs,
            parameters=int(part.model.count_params()),
            input_quantization=tuple(one for _, one in inputs),
            output_quantization=tuple(one for _, one in outputs),
            exit=part.exit,
            edges=edges,
            utilization=utilization,
        )


def _described(
    names: Sequence[str], details: Mapping[str, Any]
) -> list[tuple[TensorSpec, Quantization | None]]:
    found = []
    for name in names:
        one = details[name]
        shape = tuple(int(size) for size in one["shape"][1:])
        scale, zero_point = one["quantization"]
        quantization = Quantization(float(scale), int(zero_point)) if scale else None
        found.append((TensorSpec(name, shape, np.dtype(one["dtype"]).name), quantization))
    return found


def _check_answers(outputs: Sequence[TensorSpec]) -> None:
    kinds = [(spec.shape, spec.dtype) for spec in outputs]
    if len(set(kinds)) > 1:
        raise _error(
            "model",
            "exits that answer alike, with one shape and type",
            str({spec.name: kind for spec, kind in zip(outputs, kinds, strict=True)}),
        )


def _error(name: str, expected: str, received: str) -> ValueError:
    return ValueError(f"Invalid value for `{name}`. Expected {expected}. Received: {received}")
