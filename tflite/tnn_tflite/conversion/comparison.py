"""A bundle beside the Keras model it came from: how alike they are, and what each level costs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.bundle.programs import Level
from tnn_tflite.conversion.converter import LEVELS, levels_of
from tnn_tflite.conversion.keras_to_tflite import predictions_of, tflite_file
from tnn_tflite.conversion.layer_errors import is_quantized, layer_errors
from tnn_tflite.dispatch.dispatcher import Dispatcher
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.dispatch.on_samples import (
    check_classes,
    has_class_scores,
    hit_rate,
    relative_error,
    run_on_samples,
    samples_of,
)
from tnn_tflite.row_table import RowTable

if TYPE_CHECKING:
    import keras

TRACED = 16  # samples for the errors of layers, which run without fast kernels


@dataclass(frozen=True)
class ComparedLevel:
    """One level in Keras and on the interpreter.

    Attributes:
        utilization: u in (0, 1].
        macs: multiply-accumulates for one sample.
        agreement: share of the samples that both put into the same class, in [0, 1]; None where
            the output is no list of class scores.
        output_error: largest difference of an output, relative to the largest that Keras gives.
        keras_accuracy: of the level in Keras, in [0, 1]; None without labels.
        tflite_accuracy: of the level on the interpreter, in [0, 1]; None without labels.
        bytes: size of the level's file.
        milliseconds: median time of one sample on the interpreter, one thread.
        layer: the layer that quantization changes most; None for float32 files, or where its
            file names no layer.
        layer_error: largest difference of an output of that layer, relative to the range of its
            float32 output.
    """

    utilization: float
    macs: int
    agreement: float | None
    output_error: float
    keras_accuracy: float | None
    tflite_accuracy: float | None
    bytes: int
    milliseconds: float
    layer: str | None = None
    layer_error: float | None = None


COLUMNS = {
    "u": ("utilization", "{:g}".format),
    "MACs": ("macs", "{:,}".format),
    "Keras accuracy": ("keras_accuracy", "{:.4f}".format),
    "TFLite accuracy": ("tflite_accuracy", "{:.4f}".format),
    "agreement": ("agreement", "{:.4f}".format),
    "output error": ("output_error", "{:.1e}".format),
    "bytes": ("bytes", "{:,}".format),
    "median ms": ("milliseconds", "{:.3f}".format),
    "layer error": ("layer_error", "{:.1e}".format),
    "of layer": ("layer", "{}".format),
}


@dataclass(frozen=True)
class Comparison(RowTable):
    """Rows for rising utilizations. `print(comparison)` shows them, without empty columns."""

    columns = COLUMNS
    rows: tuple[ComparedLevel, ...]


def compare(
    model: keras.Model | Mapping[float, keras.Model],
    directory: str | os.PathLike,
    x: Any,
    y: np.ndarray | None = None,
    *,
    calibration_data: Any = None,
    threshold: float = 0.5,
) -> Comparison:
    """Runs every level of a bundle on test data, beside the Keras level that it was made of.

    Latency is taken sample by sample, the levels in turn, so that a change of the machine's
    speed meets all of them.

    Args:
        model: what `convert` was given: the throttled model, or plain models by utilization.
        directory: the bundle.
        x: samples in the dtype of the Keras inputs: an array `(count, ...)`, or for several
            inputs a list or a dictionary by name.
        y: class numbers `(count,)`, if accuracy is wanted.
        calibration_data: what `convert` was given, or levels differ in their statistics.
        threshold: what `convert` was given.

    Returns:
        `Comparison`, one row a level.

    Raises:
        BundleError: if the bundle cannot be opened.
        ValueError: if the model and the bundle have different levels, there is no sample, or
            labels are given and the output is no list of class scores.

    Example:

    ```python
    print(tnn_tflite.compare(model, "bundle", x_test, y_test, calibration_data=x_train[:2000]))
    ```
    """
    dispatcher = Dispatcher(directory)
    if dispatcher.bundle.segments:
        raise ValueError(
            "Invalid value for `directory`. Expected a bundle of levels. Received: a network with "
            "exits, whose outputs `Dispatcher.anytime` gives one after another"
        )
    _check_levels(model, dispatcher)
    samples, outputs = samples_of(x, dispatcher.bundle.inputs), dispatcher.bundle.outputs
    check_classes(y, len(samples), outputs)
    scores = has_class_scores(outputs)
    asked = (
        LEVELS if isinstance(model, Mapping) else tuple(u.utilization for u in dispatcher.levels)
    )
    _, make = levels_of(model, asked, calibration_data, threshold)
    in_keras = [_keras_side(make, dispatcher, level, x, samples) for level in dispatcher.levels]
    on_device = run_on_samples(dispatcher, samples)
    rows = []
    for level, (expected, layer), run in zip(dispatcher.levels, in_keras, on_device, strict=True):
        keras_class = expected[0].argmax(-1) if scores else None
        rows.append(
            ComparedLevel(
                utilization=level.utilization,
                macs=level.macs,
                agreement=hit_rate(keras_class == run.classes) if scores else None,
                output_error=max(map(relative_error, run.outputs, expected)),
                keras_accuracy=None if y is None else hit_rate(keras_class == y),
                tflite_accuracy=run.accuracy(y),
                bytes=level.bytes,
                milliseconds=run.milliseconds,
                layer=layer[0],
                layer_error=layer[1],
            )
        )
    return Comparison(tuple(rows))


def _keras_side(
    make: Any, dispatcher: Dispatcher, level: Level, x: Any, samples: list
) -> tuple[list[np.ndarray], tuple[str | None, float | None]]:
    """The outputs of a level in Keras, and the layer that its file changes most."""
    small = make(level.utilization).model
    outputs = predictions_of(small, x)
    content, runtime = dispatcher.bundle.read_level(level), find_runtime(dispatcher.runtime)
    # A network that a budget policy opens is traced by nobody: its gates are an input.
    if dispatcher.bundle.network is not None or not is_quantized(content, runtime):
        return outputs, (None, None)
    names = [spec.name for spec in dispatcher.bundle.inputs]
    traced = [dict(zip(names, sample, strict=True)) for sample in samples[:TRACED]]
    traced.append({name: np.zeros_like(array) for name, array in traced[0].items()})
    layers = {one.name for one in small.layers}
    errors = layer_errors(tflite_file(small).content, content, traced, layers, runtime)
    if not errors:
        return outputs, (None, None)
    worst = max(errors, key=errors.get)
    return outputs, (worst, errors[worst])


def _check_levels(model: Any, dispatcher: Dispatcher) -> None:
    levels = [level.utilization for level in dispatcher.levels]
    if isinstance(model, Mapping) and [float(u) for u in model] != levels:
        raise ValueError(
            f"Invalid value for `model`. Expected the levels of the bundle, {levels}. "
            f"Received: {list(model)}"
        )
