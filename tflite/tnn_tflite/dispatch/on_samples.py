"""Every level of a bundle on every sample of a set: real numbers in and out, each call timed."""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnn_tflite.bundle.exit_level import ExitLevel
from tnn_tflite.bundle.programs import Level, TensorSpec
from tnn_tflite.dispatch.dispatcher import Dispatcher
from tnn_tflite.progress import with_bar
from tnn_tflite.quantized_values import dequantize, quantize


@dataclass(frozen=True, eq=False)
class LevelRun:
    """One level on all samples.

    Attributes:
        outputs: Real numbers of shape `(samples, ...)`, an array an output.
        seconds: Of each sample.
    """

    outputs: list[np.ndarray]
    seconds: list[float]

    @property
    def milliseconds(self) -> float:
        """The median time of a sample."""
        return 1000 * statistics.median(self.seconds)

    @property
    def classes(self) -> np.ndarray:
        """The class with the highest score, of each sample."""
        return self.outputs[0].argmax(-1)

    def accuracy(self, y: Any) -> float | None:
        """The share of the samples whose class is right; None without labels."""
        return None if y is None else hit_rate(self.classes == np.asarray(y))


def samples_of(x: Any, specs: Sequence[TensorSpec]) -> list[list[np.ndarray]]:
    """Returns one list of arrays a sample, in the order of the inputs.

    Args:
        x: An array `(count, ...)`, or for several inputs a list or a dictionary by name.
        specs: The inputs.

    Raises:
        ValueError: If there is no sample.
    """
    if isinstance(x, Mapping):
        x = [x[spec.name] for spec in specs]
    arrays = x if isinstance(x, list | tuple) else [x]
    samples = [list(map(np.asarray, one)) for one in zip(*arrays, strict=True)]
    if not samples:
        raise ValueError("Invalid value for `x`. Expected at least one sample. Received none")
    return samples


def run_on_samples(
    dispatcher: Dispatcher, samples: Sequence[Sequence[np.ndarray]], verbose: bool | None = False
) -> list[LevelRun]:
    """Runs the levels in turn, sample by sample: a change of the machine's speed meets all.

    Args:
        dispatcher: The open bundle.
        samples: Of each the arrays of all inputs, real numbers: each level rounds them as it does.
        verbose: Whether to show a progress bar; None on a terminal only.

    Returns:
        What each level gave.
    """
    dispatcher.warm_up()
    outputs: list[list] = [[] for _ in dispatcher.levels]
    seconds: list[list[float]] = [[] for _ in dispatcher.levels]
    for sample in with_bar(samples, "samples", verbose):
        for i, level in enumerate(dispatcher.levels):
            inputs = list(_as_level_takes(sample, level, dispatcher))
            start = time.perf_counter()
            found = dispatcher(inputs if len(inputs) > 1 else inputs[0], **level.arguments)
            seconds[i].append(time.perf_counter() - start)
            outputs[i].append(list(found.values()) if isinstance(found, dict) else [found])
    return [
        LevelRun(_as_reals([np.stack(one) for one in zip(*found, strict=True)], level), times)
        for found, times, level in zip(outputs, seconds, dispatcher.levels, strict=True)
    ]


def has_class_scores(outputs: Sequence[TensorSpec]) -> bool:
    """Tells whether a network gives one list of scores, a score for each class."""
    return len(outputs) == 1 and len(outputs[0].shape) == 1 and outputs[0].shape[0] > 1


def check_classes(y: Any, count: int, outputs: Sequence[TensorSpec]) -> None:
    """Checks the classes of samples, or None.

    Raises:
        ValueError: If there is not one for each sample, or the network does not classify.
    """
    if y is not None and not has_class_scores(outputs):
        raise ValueError(
            "Invalid value for `y`. Expected None, as labels are compared with class scores and "
            f"the network's outputs are {outputs}. Received labels"
        )
    if y is not None and np.shape(y) != (count,):
        raise ValueError(
            f"Invalid value for `y`. Expected class numbers of shape ({count},). "
            f"Received: shape={np.shape(y)}"
        )


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest difference, relative to the largest expected number."""
    difference = float(np.abs(found.astype("float64") - expected).max())
    return difference / float(np.abs(expected).max() or 1.0)


def hit_rate(hits: np.ndarray) -> float:
    """Returns the share of what is true, in [0, 1]."""
    return float(np.mean(hits))


def _as_level_takes(
    sample: Sequence[np.ndarray], level: Level | ExitLevel, dispatcher: Dispatcher
) -> Iterator[np.ndarray]:
    specs = dispatcher.bundle.inputs
    program = level if isinstance(level, Level) else dispatcher.bundle.segments[0]
    forms = program.input_quantization or (None,) * len(specs)
    for array, form, spec in zip(sample, forms, specs, strict=True):
        yield array if form is None else quantize(array, form, spec.dtype)


def _as_reals(outputs: Sequence[np.ndarray], level: Level | ExitLevel) -> list[np.ndarray]:
    forms = level.output_quantization or (None,) * len(outputs)
    return [
        array if form is None else dequantize(array, form)
        for array, form in zip(outputs, forms, strict=True)
    ]
