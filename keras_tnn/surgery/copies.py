"""One way to copy a layer, for `throttle`, `materialize` and `conditional` alike."""

import warnings
from typing import Any

import keras

from keras_tnn.layers.gated import Gated


def copy_of(layer: keras.layers.Layer, changes: dict[str, Any]) -> keras.layers.Layer:
    """A fresh layer of the same kind without its gate, with some arguments changed.

    The copy holds the very functions of the layer (activations, initializers, regularizers,
    constraints), registered or not. A layer without variables is not copied but shared: training
    changes nothing in it, and what else it holds, such as a vocabulary, has no copy in its config.

    Args:
        layer: built or not.
        changes: arguments of the layer that change, such as `filters`.

    Raises:
        ValueError: if the layer says nothing of its arguments, or is quantized.
    """
    if not layer.variables and not isinstance(layer, Gated) and changes == {"name": layer.name}:
        return layer
    check_not_quantized(layer)
    if type(layer) is keras.layers.Identity:  # its config knows no dtype that is not a name
        return keras.layers.Identity(name=changes["name"], dtype=layer.dtype_policy)
    try:
        with warnings.catch_warnings():  # of lambdas, which the copy takes as they are
            warnings.filterwarnings("ignore", message="The object being serialized includes")
            config = layer.get_config()
    except (NotImplementedError, TypeError) as error:  # of the class, or of an argument's
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) cannot be copied. Expected a class "
            "with a `get_config` that returns its arguments, and arguments that Keras can save. "
            f"Received: {error}"
        ) from error
    classes: dict[str, type] = {}
    config = {**with_own_functions(config, layer, classes), **changes}
    cls = type(layer)
    if isinstance(layer, Gated):
        cls = next(base for base in cls.__mro__ if not issubclass(base, Gated))
        for name in ("num_groups", "gate", "channel_groups", "channel_axis"):
            config.pop(name, None)
    if isinstance(layer, keras.layers.Lambda):
        return cls(**config)  # its `from_config` would look for the function by name
    with keras.saving.custom_object_scope(classes):
        return cls.from_config(config)


def with_own_functions(config: dict, layer, classes: dict[str, type]) -> dict:
    """The config with live functions in place of their names, in layers that it holds, too.

    `classes` gets those of the layers it holds, so that Keras finds them unregistered.
    """
    found = {}
    for name, value in config.items():
        live = getattr(layer, name, getattr(layer, f"_{name}", None))
        found[name] = live_value(value, live, classes)
    return found


def live_value(value, live, classes):
    """What an argument is: the object itself if it is a function, a layer by its config."""
    if isinstance(value, list) and isinstance(live, (list, tuple)) and len(value) == len(live):
        return [live_value(one, own, classes) for one, own in zip(value, live, strict=True)]
    if isinstance(live, keras.layers.Layer):
        if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
            return value
        classes[keras.saving.get_registered_name(type(live))] = type(live)
        return {**value, "config": with_own_functions(value["config"], live, classes)}
    is_method = getattr(live, "__self__", None) is not None
    return live if callable(live) and not isinstance(live, type) and not is_method else value


def check_not_quantized(layer):
    """Raises ValueError for a layer whose kernel is integers: it has no channels to slice."""
    if mode := getattr(layer, "quantization_mode", None):
        raise ValueError(
            f"Layer '{layer.name}' is quantized ({mode}). Expected floating-point weights: "
            "throttle and cut first, quantize the level afterwards."
        )
