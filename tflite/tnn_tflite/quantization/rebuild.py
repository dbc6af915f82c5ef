"""The network of a description (`description.py`) in Keras 2, for a child that has loaded it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tf_keras

FUSED = ("linear", "relu", "swish", "silu")  # activations that are quantized after they ran
TOLERANCE = 1e-5  # of the largest value: both run the same kernels on the same weights


def rebuild(description: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> tf_keras.Model:
    """Makes the network layer by layer, class by name.

    A separable convolution becomes its two halves and an activation that is no `FUSED` one a
    layer of its own, so that every tensor to be rounded is some layer's output. Batch
    normalizations are frozen: the level's statistics are settled.

    Args:
        description, arrays: As `describe` returns them.

    Returns:
        A functional model with lists of inputs and outputs.

    Raises:
        ValueError: If Keras 2 lacks a layer, or computes something else than Keras 3.
    """
    import tf_keras

    inputs = [
        tf_keras.Input(x["shape"], batch_size=None, dtype=x["dtype"]) for x in description["inputs"]
    ]
    tensors = dict(enumerate(inputs))
    for call in description["calls"]:
        x = [tensors[number] for number in call["inputs"]]
        weights = _weights(call["layer"], arrays)
        tensors[call["output"]] = _called(call, x[0] if len(x) == 1 else x, weights)
    samples = [arrays[f"sample/{number}"] for number in range(len(inputs))]
    _check_values(description, arrays, tf_keras.Model(inputs, tensors), samples)
    return tf_keras.Model(inputs, [tensors[number] for number in description["outputs"]])


def _called(call: dict[str, Any], x: Any, weights: list[np.ndarray]) -> Any:
    from tf_keras import layers

    name, kind, config = call["layer"], call["class_name"], dict(call["config"])
    activation = config.get("activation") if kind != "Activation" else None
    if activation is not None and activation not in FUSED:
        config["activation"] = "linear"
        x = _called({**call, "config": config}, x, weights)
        return layers.Activation(activation, name=f"{name}_activation")(x)
    if kind == "SeparableConv2D":
        return _separable(name, config, x, weights)
    layer = _layer(kind, name, config)
    y = layer(x)
    layer.set_weights(weights)
    layer.trainable = kind != "BatchNormalization"
    return y


def _layer(kind: str, name: str, config: dict[str, Any]) -> Any:
    from tf_keras import layers

    made_by = getattr(layers, kind, None)
    if made_by is None:
        raise ValueError(f"layer '{name}' of class {kind} is not in Keras 2")
    known = inspect.signature(made_by.__init__).parameters
    return made_by(name=name, **{key: value for key, value in config.items() if key in known})


def _separable(name: str, config: dict[str, Any], x: Any, weights: list[np.ndarray]) -> Any:
    """A depthwise convolution without bias, then a pointwise one."""
    point = {key: config[key] for key in ("filters", "use_bias", "activation")}
    depth = {**config, "use_bias": False, "activation": "linear"}
    halves = [
        _layer("DepthwiseConv2D", f"{name}_depthwise", depth),
        _layer("Conv2D", f"{name}_pointwise", {**point, "kernel_size": 1}),
    ]
    for half, own in zip(halves, (weights[:1], weights[1:]), strict=True):
        x = half(x)
        half.set_weights(own)
    return x


def _weights(name: str, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    count = sum(key.startswith(f"weight/{name}/") for key in arrays)
    return [arrays[f"weight/{name}/{number}"] for number in range(count)]


def _check_values(
    description: dict[str, Any],
    arrays: Mapping[str, np.ndarray],
    model: tf_keras.Model,
    samples: list[np.ndarray],
) -> None:
    values = model([array[: len(arrays["value/" + str(len(samples))])] for array in samples])
    for call in description["calls"]:
        expected, found = arrays[f"value/{call['output']}"], np.asarray(values[call["output"]])
        error = np.abs(found - expected).max() / max(1.0, np.abs(expected).max())
        if not error <= TOLERANCE:
            raise ValueError(
                f"layer '{call['layer']}' of class {call['class_name']} computes something else in "
                f"Keras 2: its output differs by {error:.1e} of its largest value"
            )
