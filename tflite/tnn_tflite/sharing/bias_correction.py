"""Biases that take back what rounding a kernel shifts the mean of its outputs by.

Rounded weights are off by W - W_q, and what a layer reads is seldom zero on average: after ReLU it
never is. So its outputs are off by (W - W_q) E[x] on average, which belongs into the bias (Nagel et
al. 2019, "Data-free quantization through weight equalization and bias correction",
arXiv:1906.04721, section 4.2; here E[x] is measured). Positions at the border of an image read
zeros beside x; that is not accounted for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tnn_tflite.sharing.constants import TFLiteFile
from tnn_tflite.sharing.pairs import Pair, along, is_alone, pairs

LARGEST_BIAS = 2**31 - 1

# By the place of a kernel in the float32 file: for each operator that reads the kernel, the mean
# of what it convolves, `(channels,)`.
Means = Mapping[int, Sequence[np.ndarray]]


def corrected(content: bytes, float_content: bytes, means: Means) -> bytes:
    """Returns an int8 file with corrected biases.

    Args:
        content: An int8 file as the converter wrote it.
        float_content: The float32 file of the same network.
        means: What its kernels read on average. A kernel that is missing stays uncorrected.
    """
    file, result = TFLiteFile(content), bytearray(content)
    for at, pair in pairs(file, TFLiteFile(float_content)).items():
        step = along(pair.kernel.scales.array, pair.axis, len(pair.kernel.shape))
        error = pair.float_kernel.constant.array - pair.kernel.constant.array * step
        shifts = bias_shifts(pair, error, means.get(at))
        for use, shift in zip(pair.uses, shifts, strict=True):
            bias = None if use.bias is None else pair.graph.tensors[use.bias]
            if bias is None or bias.scales is None or not is_alone(file, pair.graph, bias):
                continue
            values = bias.constant.array + np.rint(shift / bias.scales.array.astype(np.float64))
            if (np.abs(values) <= LARGEST_BIAS).all():
                place = slice(bias.constant.at, bias.constant.end)
                result[place] = values.astype("<i4").tobytes()
    return bytes(result)


def bias_shifts(
    pair: Pair, error: np.ndarray, means: Sequence[np.ndarray] | None
) -> list[np.ndarray | float]:
    """Returns what each operator's bias is to be moved by.

    Args:
        pair: The kernel.
        error: What its real numbers are above its integers times their scales.
        means: For each operator the mean of what it convolves; None if that is not known.

    Returns:
        For each operator `(output channels,)`, or 0.0 where it is not known.
    """
    if means is None:
        return [0.0] * len(pair.uses)
    return [
        mean_output(use.operator, error, mean) for use, mean in zip(pair.uses, means, strict=True)
    ]


def mean_output(operator: str, kernel: np.ndarray, mean: np.ndarray) -> np.ndarray | float:
    """Returns the mean of what an operator without a bias puts out, away from borders.

    Args:
        operator: Its name in TFLite.
        kernel: Its kernel, axes as TFLite has them.
        mean: The mean of each channel of what it reads.

    Returns:
        `(output channels,)`; 0.0 for operators whose positions read unequal parts of the kernel.

    Example:

    >>> kernel = np.ones((2, 3, 3, 1))  # (out, height, width, in)
    >>> mean_output("CONV_2D", kernel, np.array([2.0])).tolist()
    [18.0, 18.0]
    """
    if operator == "FULLY_CONNECTED":
        return kernel @ mean
    if operator == "DEPTHWISE_CONV_2D":
        taps = kernel.sum(axis=(0, 1, 2))
        return taps * np.repeat(mean, len(taps) // len(mean))
    if operator == "CONV_2D":
        inputs = kernel.shape[-1]  # of one group
        groups = len(mean) // inputs
        taps = kernel.sum(axis=(1, 2)).reshape(groups, -1, inputs)
        return np.einsum("goi,gi->go", taps, mean.reshape(groups, inputs)).reshape(-1)
    return 0.0
