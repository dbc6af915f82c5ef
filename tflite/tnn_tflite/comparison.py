"""A bundle beside the Keras model it came from: the same accuracy, and what each level costs."""

import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnn_tflite.dispatcher import Dispatcher
from tnn_tflite.text_table import aligned


@dataclass(frozen=True)
class ComparedLevel:
    """One level in Keras and on the interpreter.

    Attributes:
        utilization: u in (0, 1].
        macs: multiply-accumulates for one sample.
        keras_accuracy: of the level in Keras, in [0, 1].
        tflite_accuracy: of the level's file on the interpreter, in [0, 1].
        bytes: size of the file.
        milliseconds: median time of one sample on the interpreter, one thread unless the
            dispatcher says otherwise.
    """

    utilization: float
    macs: int
    keras_accuracy: float
    tflite_accuracy: float
    bytes: int
    milliseconds: float


@dataclass(frozen=True)
class Comparison:
    """Rows for rising utilizations. `print(comparison)` shows them."""

    rows: tuple[ComparedLevel, ...]

    def __str__(self) -> str:
        titles = ("u", "MACs", "Keras accuracy", "TFLite accuracy", "bytes", "median ms")
        lines = [titles] + [
            (
                f"{row.utilization:g}",
                f"{row.macs:,}",
                f"{row.keras_accuracy:.4f}",
                f"{row.tflite_accuracy:.4f}",
                f"{row.bytes:,}",
                f"{row.milliseconds:.3f}",
            )
            for row in self.rows
        ]
        return aligned(lines)


def compare(table: Any, directory: str | os.PathLike, x: np.ndarray, y: np.ndarray) -> Comparison:
    """Runs every level of a classifier's bundle on test data, beside what Keras measured.

    Latency is taken sample by sample, the levels in turn, so that a change of the machine's
    speed meets all of them.

    Args:
        table: what `keras_tnn.evaluate_levels` returned for the same levels and data, with a
            metric named "accuracy".
        directory: the bundle.
        x: samples `(count, ...)`, in the dtype of the bundle's input.
        y: class numbers `(count,)`.

    Returns:
        `Comparison`, one row a level.

    Raises:
        BundleError: if the bundle cannot be opened.
        ValueError: if the table and the bundle have different levels.
    """
    dispatcher = Dispatcher(directory)
    levels = [level.utilization for level in dispatcher.levels]
    if levels != [row.utilization for row in table.rows]:
        raise ValueError(
            f"Invalid value for `table`. Expected the levels of the bundle, {levels}. "
            f"Received: {[row.utilization for row in table.rows]}"
        )
    dispatcher.warm_up()
    right: list[list[bool]] = [[] for _ in levels]
    seconds: list[list[float]] = [[] for _ in levels]
    for sample, label in zip(x, y, strict=True):
        for i, utilization in enumerate(levels):
            start = time.perf_counter()
            output = dispatcher(sample, utilization)
            seconds[i].append(time.perf_counter() - start)
            right[i].append(int(output.argmax()) == label)
    return Comparison(
        tuple(
            ComparedLevel(
                utilization=level.utilization,
                macs=level.macs,
                keras_accuracy=row.metrics["accuracy"],
                tflite_accuracy=float(np.mean(hits)),
                bytes=level.bytes,
                milliseconds=1e3 * statistics.median(times),
            )
            for level, row, hits, times in zip(
                dispatcher.levels, table.rows, right, seconds, strict=True
            )
        )
    )
