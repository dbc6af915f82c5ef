"""A 3-D convolution as one 2-D convolution: the frames that its kernel reads become channels.

With T taps in time, frame t of the output is a 2-D convolution of the T input frames around t,
stacked along the channels, by the T slices of the kernel, stacked likewise. Measured on
ai-edge-litert against a 2-D convolution for each tap and their sum, and against one for each output
frame: one convolution over all stacked frames is the fastest and stores the weights once.
"""

from __future__ import annotations

import numpy as np
from keras import KerasTensor, layers, ops

from tnn_tflite.planar.clip import Clip, fresh_name, moved, reshaped
from tnn_tflite.planar.reach import Reach
from tnn_tflite.planar.registry import activated, check_channels_last, rewrites

# Integer kernels take 8 channels at a time: three frames of RGB are 9, at the cost of 16. Up to
# here the rows that the kernel reads are stacked too: 27 channels, at the cost of 32 in all.
FEW_CHANNELS = 9


@rewrites(layers.Conv3D)
def convolution(layer: layers.Conv3D, clip: Clip) -> Clip:
    """y = activation(kernel * x + bias)."""
    check_channels_last(layer)
    rewritten = depthwise if is_depthwise(layer, clip) else stacked
    return activated(layer, rewritten(layer, clip))


def stacked(layer: layers.Conv3D, clip: Clip) -> Clip:
    """One 2-D convolution; in groups, each group's channels stay together."""
    count, height, width, channels = clip.shape
    time, rows = Reach.of(layer, 0, count), Reach.everything(height)
    kernel = kernel_taps(layer, time)
    arguments = over_space(layer)
    if channels // layer.groups * len(time.taps) <= FEW_CHANNELS and layer.kernel_size[1] > 1:
        rows = Reach.of(layer, 1, height)
        # (taps, rows, width, channels, filters) -> (taps * rows, 1, width, channels, filters)
        kernel = kernel[:, list(rows.taps)].reshape(-1, 1, *kernel.shape[2:])
        for argument in ("kernel_size", "strides", "dilation_rate"):
            arguments[argument] = (1, arguments[argument][1])
    flat = layers.Conv2D(layer.filters, groups=layer.groups, use_bias=layer.use_bias, **arguments)
    outputs = flat(stack(read(clip, time, rows), width, layer.groups))
    # (taps, height, width, channels, filters) -> (height, width, taps * channels, filters)
    kernel = kernel.transpose(1, 2, 0, 3, 4)
    flat.set_weights([kernel.reshape(*kernel.shape[:2], -1, layer.filters), *bias_weights(layer)])
    return Clip(outputs, time.count)


def is_depthwise(layer: layers.Conv3D, clip: Clip) -> bool:
    """Whether each channel is convolved by itself, in a way that a 2-D depthwise layer has."""
    alone = 1 < layer.groups == layer.filters == clip.shape[-1]
    return alone and layer.strides[1] == layer.strides[2]


def depthwise(layer: layers.Conv3D, clip: Clip) -> Clip:
    """A depthwise 2-D convolution for each tap, and their sum: the kernels made for it win."""
    count, *frame = clip.shape
    time, terms = Reach.of(layer, 0, count), []
    taps = zip(read(clip, time, Reach.everything(frame[0])), kernel_taps(layer, time), strict=True)
    for frames, kernel in taps:
        bias = [] if terms else bias_weights(layer)
        flat = layers.DepthwiseConv2D(use_bias=bool(bias), **over_space(layer))
        terms.append(flat(reshaped(frames, *frame)))
        # (height, width, 1, channels) -> (height, width, channels, 1)
        flat.set_weights([kernel.swapaxes(-2, -1), *bias])
    if len(terms) > 1:
        terms = [layers.Add(name=fresh_name("sum"))(terms)]
    return Clip(terms[0], time.count)


def read(clip: Clip, time: Reach, rows: Reach) -> list[KerasTensor]:
    """For each tap in time and each row of it, the entries that it reads.

    Returns:
        Tensors `(batch, time.count, rows.count, width * channels)`.
    """
    count, height, width, channels = clip.shape
    x = reshaped(clip.frames, count, height, width * channels)
    if any(time.padding + rows.padding):
        x = layers.ZeroPadding2D((time.padding, rows.padding), name=fresh_name("padding"))(x)
    pairs = [(frames, lines) for frames in time.slices for lines in rows.slices]
    if len(pairs) == 1 and x.shape[1:3] == (time.count, rows.count):
        return [x]
    return [moved(x, lambda x, pair=pair: x[:, pair[0], pair[1]]) for pair in pairs]


def stack(taps: list[KerasTensor], width: int, groups: int) -> KerasTensor:
    """Taps as channels: `(batch * count, height, width, groups * taps * channels of a group)`.

    They are put one after another in time, which copies long runs, and then transposed. To
    concatenate channels copies as many short ones: four times as slow for three of them.
    """
    _, count, height, entries = taps[0].shape
    if len(taps) > 1:
        depth = entries // width // groups
        x = layers.Concatenate(1, name=fresh_name("stack"))(taps)
        x = reshaped(x, len(taps), count * height * width * groups, depth)
        x = moved(x, lambda x: ops.transpose(x, (0, 2, 1, 3)))
    else:
        x = taps[0]
    return reshaped(x, height, width, entries // width * len(taps))


def kernel_taps(layer: layers.Conv3D, time: Reach) -> np.ndarray:
    """The kernel's slices in time that read anything."""
    return ops.convert_to_numpy(layer.kernel)[list(time.taps)]


def bias_weights(layer: layers.Conv3D) -> list[np.ndarray]:
    return [ops.convert_to_numpy(layer.bias)] if layer.use_bias else []


def over_space(layer: layers.Conv3D) -> dict:
    """The arguments of a 2-D convolution that does in space what `layer` does."""
    return {
        "kernel_size": layer.kernel_size[1:],
        "strides": layer.strides[1:],
        "dilation_rate": layer.dilation_rate[1:],
        "padding": layer.padding,
        "dtype": layer.dtype_policy,
        "name": fresh_name(layer.name),
    }
