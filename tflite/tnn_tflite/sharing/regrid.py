"""int8 weights of a level on the grid of the full level.

A level that is quantised by itself has scales of its own, and none of its integers are those of the
full level. So its weights are taken from the full level, and only scales and biases are its own.
With m the factor of a channel, by which they come nearest to the level's float kernel::

    q      = q_full[...] * sign(m)
    scale  = scale_full * |m|
    bias_q = round((bias + shift) / (input_scale * scale))

with the shift of `bias_correction`. The ranges of activations stay those that were measured on the
level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tnn_tflite.sharing.bias_correction import LARGEST_BIAS, Means, bias_shifts
from tnn_tflite.sharing.constants import LocatedTensor, TFLiteFile, Use
from tnn_tflite.sharing.entry_builder import EntryBuilder
from tnn_tflite.sharing.matches import Match
from tnn_tflite.sharing.pairs import Pair, along, is_alone, pairs

EQUAL = 1e-6  # of a factor: the rounding of float32 kernels


class Regridder:
    """Plans int8 levels by the integers of the full level.

    Args:
        file: The full level's int8 file.
        float_file: Its float32 file.
    """

    def __init__(self, file: TFLiteFile, float_file: TFLiteFile) -> None:
        self._pairs = pairs(file, float_file)

    def regrid(
        self,
        builder: EntryBuilder,
        file: TFLiteFile,
        float_file: TFLiteFile,
        matches: list[Match],
        means: Means,
    ) -> None:
        """Plans every kernel that can be taken; the others stay as they are.

        Args:
            builder: Collects the plan of the level.
            file: The level's int8 file.
            float_file: Its float32 file.
            matches: The slices among the float32 constants.
            means: What the level's kernels read on average.
        """
        own = pairs(file, float_file)
        for match in matches:
            part = own.get(match.part.constant.at)
            whole = self._pairs.get(match.whole.constant.at)
            if part is not None and whole is not None:
                mean = means.get(match.part.constant.at)
                _regrid_kernel(builder, file, part, whole.kernel, match, mean)


def _regrid_kernel(
    builder: EntryBuilder,
    file: TFLiteFile,
    part: Pair,
    whole: LocatedTensor,
    match: Match,
    means: Sequence[np.ndarray] | None,
) -> None:
    """Plans one kernel with its scales and biases, or nothing if one of them does not fit."""
    kernel, channels = part.kernel, match.indices[part.axis]
    factor = np.ones(len(channels)) if match.factor is None else _fitted(whole, match)
    taken = _take_scales(kernel.scales.array, whole.scales.array, channels, factor)
    if taken is None or not is_alone(file, part.graph, kernel, len(part.uses)):
        return
    indices, table, scales = taken
    sign = along(np.sign(factor).astype(np.int8), part.axis, len(kernel.shape))
    integers = whole.constant.array[np.ix_(*match.indices)] * sign
    error = match.part.constant.array - integers * along(scales, part.axis, len(kernel.shape))
    biases = [
        _bias(file, part, use, float_use, scales, shift)
        for use, float_use, shift in zip(
            part.uses, part.float_uses, bias_shifts(part, error, means), strict=True
        )
        if use.bias is not None
    ]
    if any(bias is None for bias in biases):
        return
    builder.take(kernel.constant, whole.constant, match.indices, _unless_one(sign))
    builder.take(kernel.scales, whole.scales, [indices], table)
    for bias, values, input_scale in biases:
        builder.take(bias.scales, kernel.scales, factor=input_scale, source="level")
        if bias.constant not in builder:
            builder.store(bias.constant, values)


def _fitted(whole: LocatedTensor, match: Match) -> np.ndarray:
    """The factors by which the integers of the slice come nearest to the level's kernel.

    That of the float kernels would leave the rounding of the integers as it falls; least squares
    take out what a scale can.
    """
    if whole.scales.array.size == 1:
        return match.factor
    step = along(whole.scales.array, match.axis, len(whole.shape))
    grid = (whole.constant.array * step)[np.ix_(*match.indices)]
    rows, reals = (
        np.moveaxis(x, match.axis, 0).reshape(len(match.factor), -1).astype(np.float64)
        for x in (grid, match.part.constant.array)
    )
    squares = np.einsum("ci,ci->c", rows, rows)
    fitted = np.einsum("ci,ci->c", rows, reals) / np.where(squares > 0, squares, 1)
    return np.where(fitted * match.factor > 0, fitted, match.factor)


def _take_scales(
    own: np.ndarray, whole: np.ndarray, channels: np.ndarray, factor: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray] | None:
    """Which of the full level's scales are taken, their factors, and the scales that result."""
    size = np.abs(factor)
    size[size == 0] = 1.0  # a channel of zeros has any scale; no scale may be 0
    if whole.size == 1:
        # One scale for all channels cannot tell them apart.
        if np.ptp(factor) > EQUAL * size[0]:
            return None
        channels, size = np.zeros(1, int), size[:1]
    if own.size != len(channels):
        return None
    table = _unless_one(_short(size))
    scales = whole[channels] if table is None else whole[channels] * table.astype(np.float32)
    usable = np.isfinite(scales).all() and (scales >= np.finfo(np.float32).tiny).all()
    return (channels, table, scales) if usable else None


def _short(factor: np.ndarray) -> np.ndarray:
    """float16 where it keeps 11 bits: 5 parts in 10,000, a tenth of the grid's own error."""
    fits = (factor >= np.finfo(np.float16).tiny) & (factor <= np.finfo(np.float16).max)
    return factor.astype(np.float16 if fits.all() else np.float32)


def _unless_one(factor: np.ndarray) -> np.ndarray | None:
    return None if (factor == 1).all() else factor


def _bias(
    file: TFLiteFile,
    part: Pair,
    use: Use,
    float_use: Use,
    scales: np.ndarray,
    shift: np.ndarray | float,
) -> tuple[LocatedTensor, np.ndarray, np.ndarray] | None:
    """A bias, its integers for the new scales, and the scale of what its operator reads."""
    bias, source = part.graph.tensors[use.bias], part.graph.tensors[use.input]
    reals = part.float_graph.tensors[float_use.bias].constant
    if bias.type != "int32" or reals is None or source.scales is None or bias.scales is None:
        return None
    input_scale = source.scales.array
    if input_scale.size != 1 or bias.scales.array.size != scales.size:
        return None
    alone = is_alone(file, part.graph, bias)
    values = np.rint((reals.array + shift * alone) / np.float64(scales * input_scale))
    if bias.constant is None or not (np.abs(values) <= LARGEST_BIAS).all():
        return None
    values = values.astype(np.int32)
    # Zeros are stored once for several layers, and are zeros on every grid.
    if np.array_equal(values, bias.constant.array):
        alone = part.graph.readers[bias.number] == 1
    return (bias, values, input_scale) if alone else None
