"""Layers that can treat space and time one after the other: pooling, padding, resizing."""

from keras import KerasTensor, layers

from tnn_tflite.planar.clip import Clip, fresh_name, reshaped
from tnn_tflite.planar.registry import check_channels_last, rewrites

POOLING = {
    layers.MaxPooling3D: layers.MaxPooling2D,
    layers.AveragePooling3D: layers.AveragePooling2D,
}
GLOBAL_POOLING = {
    layers.GlobalMaxPooling3D: layers.GlobalMaxPooling2D,
    layers.GlobalAveragePooling3D: layers.GlobalAveragePooling2D,
}
BORDERS = {
    layers.ZeroPadding3D: (layers.ZeroPadding2D, "padding"),
    layers.Cropping3D: (layers.Cropping2D, "cropping"),
}


@rewrites(*POOLING)
def pooling(layer, clip: Clip) -> Clip:
    """The maximum of maxima, or the mean of means: padding counts in neither."""
    check_channels_last(layer)
    (duration, *window), (step, *strides) = layer.pool_size, layer.strides

    def flat(window: tuple, strides: tuple):
        kind, name = POOLING[type(layer)], fresh_name(layer.name)
        return kind(window, strides, layer.padding, name=name)

    if max(*window, *strides) > 1:
        clip = clip.each_frame(flat(tuple(window), tuple(strides)))
    if max(duration, step) > 1:
        clip = clip.over_time(flat((duration, 1), (step, 1)))
    return clip


@rewrites(*GLOBAL_POOLING)
def global_pooling(layer, clip: Clip) -> Clip | KerasTensor:
    """All frames one above the other are one tall picture."""
    check_channels_last(layer)
    count, height, width, channels = clip.shape
    flat = GLOBAL_POOLING[type(layer)](keepdims=layer.keepdims, name=fresh_name(layer.name))
    outputs = flat(reshaped(clip.frames, count * height, width, channels))
    return Clip(outputs, 1) if layer.keepdims else outputs


@rewrites(*BORDERS)
def borders(layer, clip: Clip) -> Clip:
    """Zeros around the clip, or its border cut off: in space, then in time."""
    check_channels_last(layer)
    flat, argument = BORDERS[type(layer)]
    frames, *space = getattr(layer, argument)
    if any(map(any, space)):
        clip = clip.each_frame(flat(tuple(space), name=fresh_name(layer.name)))
    if any(frames):
        clip = clip.over_time(flat((frames, (0, 0)), name=fresh_name(layer.name)))
    return clip


@rewrites(layers.UpSampling3D)
def up_sampling(layer, clip: Clip) -> Clip:
    """Repeats rows and columns, then frames."""
    check_channels_last(layer)
    times, *space = layer.size
    if max(space) > 1:
        clip = clip.each_frame(layers.UpSampling2D(tuple(space), name=fresh_name(layer.name)))
    if times > 1:
        clip = clip.over_time(layers.UpSampling2D((times, 1), name=fresh_name(layer.name)))
    return clip
