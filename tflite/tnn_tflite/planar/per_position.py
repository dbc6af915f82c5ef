"""Layers that treat every position of every frame alike, and layers that only move entries."""

from keras import layers

from keras_tnn.layers import ChannelShuffle
from tnn_tflite.planar.clip import Clip, fresh_name, reshaped
from tnn_tflite.planar.registry import acts_on_positions, rewrites


@rewrites(
    ChannelShuffle,
    layers.Activation,
    layers.BatchNormalization,
    layers.Dense,
    layers.ELU,
    layers.LayerNormalization,
    layers.LeakyReLU,
    layers.ReLU,
    layers.Softmax,
)
def per_position(layer, clip: Clip) -> Clip | None:
    """The same layer on frames, as long as it looks along the channels only."""
    axis = getattr(layer, "axis", -1)
    axes = {axis} if isinstance(axis, int) else set(axis)
    if not axes <= {-1, 4} or not acts_on_positions(layer):
        return None
    changes = {"name": fresh_name(layer.name)} | ({"axis": -1} if hasattr(layer, "axis") else {})
    copy = type(layer).from_config({**layer.get_config(), **changes})
    outputs = clip.each_frame(copy)
    copy.set_weights(layer.get_weights())
    return outputs


@rewrites(
    layers.Add,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.Subtract,
)
def merging(layer, *clips: Clip) -> Clip | None:
    """Entry by entry; unequal shapes are left to Keras, which spreads the smaller ones."""
    if len({clip.shape for clip in clips}) > 1:
        return None
    outputs = type(layer)(name=fresh_name(layer.name))([clip.frames for clip in clips])
    return Clip(outputs, clips[0].count)


@rewrites(layers.Concatenate)
def concatenation(layer, *clips: Clip) -> Clip | None:
    """Along the channels."""
    if layer.axis not in (-1, 4):
        return None
    outputs = layers.Concatenate(name=fresh_name(layer.name))([clip.frames for clip in clips])
    return Clip(outputs, clips[0].count)


@rewrites(layers.TimeDistributed)
def every_frame(layer, clip: Clip):
    """The layer inside, on each frame; what it makes of one may have any rank."""
    inner = layer.layer
    copy = type(inner).from_config({**inner.get_config(), "name": fresh_name(layer.name)})
    made = copy(clip.frames)
    copy.set_weights(inner.get_weights())
    if len(made.shape) == 4:
        return Clip(made, clip.count)
    return reshaped(made, clip.count, *made.shape[1:])


@rewrites(
    layers.Flatten,
    layers.GroupNormalization,
    layers.Normalization,
    layers.Permute,
    layers.PReLU,
    layers.Rescaling,
    layers.Reshape,
)
def as_it_is(layer, *clips: Clip) -> None:
    """What TFLite has for five axes."""
    return None
