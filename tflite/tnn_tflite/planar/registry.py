"""The registry: which layers on clips are known, and how each works on frames."""

from collections.abc import Callable
from typing import Any

import keras

from tnn_tflite.planar.clip import Clip, fresh_name

# From a layer and its input clips to its output: a clip or a tensor of another rank. None says
# that this layer, as configured, has no form on frames: it is called on the rank-5 tensors.
Rule = Callable[..., Any]

RULES: dict[type, Rule] = {}


def rewrites(*layer_types: type) -> Callable[[Rule], Rule]:
    """Decorator: registers a rule for layer classes, subclasses not included.

    A subclass may compute something else, and nobody would notice.
    """

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(layer_types, rule))
        return rule

    return register


def check_channels_last(layer: keras.layers.Layer) -> None:
    if layer.data_format != "channels_last":
        raise ValueError(
            "Invalid value for `model`. Expected 3-D layers with data_format='channels_last'. "
            f"Received: layer '{layer.name}' with data_format={layer.data_format!r}"
        )


def activated(layer: keras.layers.Layer, clip: Clip) -> Clip:
    """Applies the activation that a layer has as an argument."""
    if layer.activation is keras.activations.linear:
        return clip
    activation = keras.layers.Activation(layer.activation, name=fresh_name(layer.name))
    if acts_on_positions(layer):
        return clip.each_frame(activation)
    return Clip.of(activation(clip.whole()))


def acts_on_positions(layer: keras.layers.Layer) -> bool:
    """Whether a layer's activation is one of Keras, which never mix positions or frames."""
    activation = getattr(layer, "activation", None)
    known = vars(keras.activations).values()
    return activation is None or any(activation is function for function in known)
