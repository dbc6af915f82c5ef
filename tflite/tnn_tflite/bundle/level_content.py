"""What a level is made of before it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tnn_tflite.bundle.description import Quantization, TensorSpec


@dataclass(frozen=True)
class LevelContent:
    """One level, ready to be written.

    Args:
        utilization: How much of the network runs, in (0, 1].
        content: The bytes of the `.tflite` file.
        inputs: The inputs in Keras order; the same for every level.
        outputs: The outputs in Keras order; the same for every level.
        macs: Multiply-accumulate operations for one sample.
        parameters: Number of weights.
        input_quantization: For each input, how its integers stand for reals; see `Level`.
        output_quantization: The same for the outputs.
        float_content: With int8 content, the float32 TFLite file of the same level. From it
            the level's scales are derived where levels share weights.
        means: With int8 content, by the place of a kernel in `float_content` the mean of what each
            of its operators reads, `(channels,)`; see `sharing.bias_correction`.
        kernels: The Keras weights of rank 2 and more of the level's plain network, by which it
            is found what the levels share.
    """

    utilization: float
    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    macs: int
    parameters: int
    input_quantization: tuple[Quantization | None, ...] = ()
    output_quantization: tuple[Quantization | None, ...] = ()
    float_content: bytes | None = None
    means: Mapping[int, Sequence[np.ndarray]] = field(default_factory=dict)
    kernels: tuple[np.ndarray, ...] = ()
