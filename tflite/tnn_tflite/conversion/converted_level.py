"""A level as converting leaves it: what will be written, and what putting levels together needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.programs import Quantization
from tnn_tflite.conversion.keras_to_tflite import ConvertedFile
from tnn_tflite.sharing.kernels import Kernel

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ConvertedLevel(LevelContent):
    """One level, ready for `assemble`.

    Args:
        float_content: With quantized content, the float32 TFLite file of the same level. From it
            the level's scales are derived where levels share weights.
        means: With int8 content, by the place of a kernel in `float_content` the mean of what each
            of its operators reads, `(channels,)`; see `sharing.bias_correction`.
        kernels: The Keras weights of rank 2 and more of the level's plain network, with what
            surgery kept of each: by them it is found what the levels share.
    """

    float_content: bytes | None = None
    means: Mapping[int, Sequence[np.ndarray]] = field(default_factory=dict)
    kernels: tuple[Kernel, ...] = ()


def program_fields(model: keras.Model, file: ConvertedFile) -> dict[str, Any]:
    """What a `ProgramContent` has of a plain model and its file."""
    from keras_tnn.cost import count_macs

    return {
        "content": file.content,
        "inputs": file.inputs,
        "outputs": file.outputs,
        "macs": int(count_macs(model)),
        "parameters": int(model.count_params()),
        "input_quantization": _if_any(file.input_quantization),
        "output_quantization": _if_any(file.output_quantization),
    }


def _if_any(quantizations: tuple[Quantization | None, ...]) -> tuple[Quantization | None, ...]:
    return quantizations if any(quantizations) else ()
