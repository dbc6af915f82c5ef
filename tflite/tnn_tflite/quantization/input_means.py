"""What each kernel of a network reads on average, measured on representative samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tnn_tflite.dispatch.interpreter import find_runtime, keeping_every_tensor
from tnn_tflite.sharing.constants import TFLiteFile

SAMPLES = 64  # means over all positions of an image hardly move after a few


def input_means(content: bytes, samples: Mapping[str, np.ndarray]) -> dict[int, list[np.ndarray]]:
    """Runs a float32 file and averages.

    Args:
        content: A float32 file with one signature.
        samples: `(samples, *shape)` for each input by name.

    Returns:
        By the place of a kernel in the file: for each operator that reads the kernel the mean of
        what it convolves, over samples and positions, `(channels,)`. Kernels in the branches of
        an IF are left out, as an interpreter shows no tensors of theirs.
    """
    kernels = TFLiteFile(content).graphs[0].kernels
    interpreter = keeping_every_tensor(find_runtime(), content)
    inputs = interpreter.get_signature_runner().get_input_details()
    size = len(next(iter(samples.values())))
    chosen = np.linspace(0, size - 1, min(SAMPLES, size)).round().astype(int)
    sums = {kernel.constant.at: [0.0] * len(uses) for kernel, uses in kernels}
    for sample in chosen:
        for name, details in inputs.items():
            values = samples[name][sample : sample + 1].astype(details["dtype"])
            interpreter.set_tensor(details["index"], values)
        interpreter.invoke()
        for kernel, uses in kernels:
            for number, use in enumerate(uses):
                values = interpreter.get_tensor(use.input)
                positions = tuple(range(values.ndim - 1))
                mean = values.mean(axis=positions, dtype=np.float64)
                sums[kernel.constant.at][number] += mean / len(chosen)
    return sums
