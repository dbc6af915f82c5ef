"""A level as converting leaves it: what will be written, and what putting levels together needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tnn_tflite.bundle.program_content import LevelContent


@dataclass(frozen=True)
class ConvertedLevel(LevelContent):
    """One level, ready for `assemble`.

    Args:
        float_content: With quantized content, the float32 TFLite file of the same level. From it
            the level's scales are derived where levels share weights.
        means: With int8 content, by the place of a kernel in `float_content` the mean of what each
            of its operators reads, `(channels,)`; see `sharing.bias_correction`.
        kernels: The Keras weights of rank 2 and more of the level's plain network, by which it
            is found what the levels share.
    """

    float_content: bytes | None = None
    means: Mapping[int, Sequence[np.ndarray]] = field(default_factory=dict)
    kernels: tuple[np.ndarray, ...] = ()
