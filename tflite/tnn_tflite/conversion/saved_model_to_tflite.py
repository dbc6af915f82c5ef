"""From a SavedModel to `.tflite` files, in float32 or quantized: what the converter's child does.

A request's folder holds `saved_model`, and `samples.npz` where ranges are to be measured. Each
file is renamed to its name when it is complete.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tnn_tflite.children.serve import serve
from tnn_tflite.quantization.modes import MODES, configure


def write_tflite(request: dict[str, Any]) -> dict[str, Any]:
    """Writes one file.

    Args:
        request: `folder`, `saved_model` (its name in the folder), `mode`, `inference_type` and
            `file` (the name to write).

    Returns:
        `inputs` and `outputs`: by name the dtype, scale and zero point of each tensor; a scale of
        0 means that the tensor holds what it says.
    """
    import tensorflow as tf

    folder = Path(request["folder"])
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / request["saved_model"]))
    mode = request["mode"]
    dataset = None
    if MODES[mode].needs_data and mode != "qat":
        dataset = _dataset(folder / "samples.npz")
    configure(converter, mode, dataset, request["inference_type"])
    content = converter.convert()
    partial = folder / "partial"
    partial.write_bytes(content)
    os.replace(partial, folder / request["file"])
    return _tensors(content)


def _dataset(path: Path) -> Callable[[], Iterator[dict[str, np.ndarray]]]:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}

    def samples() -> Iterator[dict[str, np.ndarray]]:
        for i in range(len(next(iter(arrays.values())))):
            yield {name: array[i : i + 1] for name, array in arrays.items()}

    return samples


def _tensors(content: bytes) -> dict[str, Any]:
    import tensorflow as tf

    runner = tf.lite.Interpreter(model_content=content).get_signature_runner()
    return {
        kind: {name: _described(one) for name, one in details.items()}
        for kind, details in (
            ("inputs", runner.get_input_details()),
            ("outputs", runner.get_output_details()),
        )
    }


def _described(details: dict[str, Any]) -> tuple[str, float, int]:
    scale, zero_point = details["quantization"]
    return np.dtype(details["dtype"]).name, float(scale), int(zero_point)


def main() -> None:
    import tensorflow  # noqa: F401  while the parent still writes its request

    serve(write_tflite)
