"""A level of any precision in float32, the one that TFLite's float kernels have.

A network that trained with `mixed_float16`, `mixed_bfloat16` or `float64` holds casts and kernels
that TFLite lacks. Its weights are float32 or rounded to it, so the network with float32 policies
computes the same, more exactly than half precision did.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

OTHER_FLOATS = ("float16", "bfloat16", "float64")
POLICIES = (*OTHER_FLOATS, "mixed_float16", "mixed_bfloat16")


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a functional model that computes in float32: `model` itself if it does so already.

    Args:
        model: A functional model, its weights in any float.

    Returns:
        A model of layers made again from their configurations, with the same names and weights.
        Inputs of other floats are float32, too.
    """
    if not any(_computes_otherwise(layer) for layer in _all_layers(model, set())):
        return model
    inputs = keras.tree.map_structure(_float32_input, model.input)
    clone = keras.models.clone_model(
        model, input_tensors=inputs, clone_function=_again, recursive=True
    )
    clone.set_weights(model.get_weights())
    return clone


def _computes_otherwise(layer: keras.layers.Layer) -> bool:
    return not {layer.compute_dtype, layer.variable_dtype}.isdisjoint(OTHER_FLOATS)


def _all_layers(layer: keras.layers.Layer, seen: set[int]) -> Iterator[keras.layers.Layer]:
    """A layer and the layers it holds: those of models, and what wrappers wrap."""
    if not isinstance(layer, keras.layers.Layer) or id(layer) in seen:
        return
    seen.add(id(layer))
    yield layer
    for held in [getattr(layer, "layers", ()), *vars(layer).values()]:
        for part in held if isinstance(held, list | tuple) else [held]:
            yield from _all_layers(part, seen)


def _float32_input(x: keras.KerasTensor) -> keras.KerasTensor:
    dtype = "float32" if x.dtype in OTHER_FLOATS else x.dtype
    return keras.Input(batch_shape=x.shape, dtype=dtype, name=x.name)


def _again(layer: keras.layers.Layer) -> keras.layers.Layer:
    return type(layer).from_config(_with_float32(layer.get_config()))


def _with_float32(config: Any) -> Any:
    """A configuration with every float policy in it, also of layers inside, turned to float32."""
    if isinstance(config, list | tuple):
        return type(config)(map(_with_float32, config))
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy" and config["config"]["name"] in POLICIES:
        return "float32"
    return {
        name: "float32" if name == "dtype" and value in POLICIES else _with_float32(value)
        for name, value in config.items()
    }
