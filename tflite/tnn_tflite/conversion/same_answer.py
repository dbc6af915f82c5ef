"""Whether the "answer" of a controller is what the lowest level answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle.program_content import ProgramContent
from tnn_tflite.bundle.programs import ANSWER, TensorSpec
from tnn_tflite.conversion.layer_errors import is_quantized
from tnn_tflite.dispatch.interpreter import find_runtime

SAMPLES = 8
# Relative to the largest output of the level. Two files of the same layers differ by the order of
# float32 sums; integers by how each file rounds, far less than two networks do.
TOLERANCE, QUANTIZED_TOLERANCE = 1e-3, 0.25


def check_answer(
    controller: ProgramContent, level: bytes, samples: Sequence[np.ndarray] | None = None
) -> None:
    """Runs both on a few samples, where the controller has an answer.

    Args:
        controller: The controller.
        level: The TFLite file of the lowest level, which has one output.
        samples: For each input `(samples, *shape)`; random numbers if None.

    Raises:
        ValueError: If the answers differ.
    """
    if ANSWER not in {spec.name for spec in controller.outputs}:
        return
    runtime, contents = find_runtime(), (controller.content, level)
    runs = [runtime.interpreter(content).get_signature_runner() for content in contents]
    rng = np.random.default_rng(0)
    arrays = samples or [_random(spec, rng) for spec in controller.inputs]
    largest = difference = 0.0
    for row in zip(*(array[:SAMPLES] for array in arrays), strict=True):
        given = {
            spec.name: value[None].astype(spec.dtype)
            for spec, value in zip(controller.inputs, row, strict=True)
        }
        own = runs[0](**given)[ANSWER]
        (expected,) = runs[1](**given).values()
        largest = max(largest, float(np.abs(expected).max()))
        difference = max(difference, float(np.abs(own - expected).max()))
    quantized = any(is_quantized(content, runtime) for content in contents)
    if difference > (QUANTIZED_TOLERANCE if quantized else TOLERANCE) * max(largest, 1e-6):
        raise ValueError(
            f"Invalid value for `controller`. Expected an '{ANSWER}' that is the answer of the "
            "lowest level, made of the same weights, with the same batch-norm statistics. "
            f"Received: one that is {difference:.2g} away from it, where the level's largest "
            f"number is {largest:.2g}"
        )


def _random(spec: TensorSpec, rng: np.random.Generator) -> np.ndarray:
    """A few samples of numbers in [0, 1], or of zeros and ones."""
    shape = (SAMPLES, *spec.shape)
    return rng.random(shape) if "float" in spec.dtype else rng.integers(0, 2, shape)
