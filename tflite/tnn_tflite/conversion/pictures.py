"""How a picture becomes an input of a network: told, or found out.

A bundle that says it cannot be given a picture at the wrong scale. What says it best are inputs
that the network is known to be right on; else the layers it begins with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.bundle.description import Preprocessing
from tnn_tflite.quantization.plan import Plan

if TYPE_CHECKING:
    import keras

BYTE = 255.0  # the brightest pixel
SPREAD = 2.0  # about what normalised pixels span: [0, 1], [-1, 1] or a few deviations


def preprocessing_of(
    model: keras.Model,
    given: Preprocessing | Mapping[str, Preprocessing] | None,
    samples: Sequence[np.ndarray] | None,
) -> dict[str, Preprocessing]:
    """What a bundle says of its inputs that are pictures.

    Args:
        model: The network or one of its levels.
        given: As for `convert`: of the only picture, or by the name of an input; None to find out.
        samples: For each input what the network reads, or None where nobody has any.

    Returns:
        By the name of the input, without those of which nothing is known.

    Raises:
        ValueError: If `given` is of no input that takes pictures.
    """
    pictures = {x.name: x for x in model.inputs if is_picture(x)}
    if given is not None:
        return _checked(given, {name: x.shape[-1] for name, x in pictures.items()})
    arrays = dict(zip((x.name for x in model.inputs), samples or (), strict=False))
    found = {
        name: _by_values(arrays[name]) if name in arrays else _by_layers(model, x)
        for name, x in pictures.items()
    }
    return {
        name: _for_channels(Preprocessing(scale, 0.0), pictures[name].shape[-1])
        for name, scale in found.items()
        if scale
    }


def known_inputs(plan: Plan, calibration_data: Any) -> Sequence[np.ndarray] | None:
    """What a network reads, for each input, as far as the arguments of `convert` hold arrays."""
    if plan.samples is not None:
        return plan.samples
    # Datasets are read where they are needed; some can be read only once.
    if isinstance(calibration_data, Mapping):
        return None
    several = calibration_data if isinstance(calibration_data, list) else [calibration_data]
    return several if all(isinstance(one, np.ndarray) for one in several) else None


def is_picture(x: Any) -> bool:
    """Whether an input takes pictures: floats, height, width, and one channel or three."""
    return len(x.shape) == 4 and x.shape[-1] in (1, 3) and "float" in str(x.dtype)


def _by_values(array: np.ndarray) -> float | None:
    """The scale of pixels, if values lie as pixels do, whole or in [0, 1]."""
    if not array.size:  # an error of whoever reads the data
        return None
    low, high = float(np.min(array)), float(np.max(array))
    if low < 0 or high > BYTE:
        return None
    return 1.0 if high > SPREAD else 1 / BYTE


def _by_layers(model: keras.Model, x: Any) -> float | None:
    """The scale of pixels by which the layers that normalise an input make usual numbers of it."""
    factor = normalising_factor(model, x)
    if factor is None:
        return None
    return min((1.0, 1 / BYTE), key=lambda scale: abs(math.log(scale * BYTE * factor / SPREAD)))


def normalising_factor(model: keras.Model, x: Any) -> float | None:
    """What `Rescaling` and `Normalization` at the start of a model multiply an input by.

    Args:
        model: Functional.
        x: One of its inputs.

    Returns:
        The mean over channels, or None if the model does not begin with such a layer. Layers
        that only work in training, as augmentation does, may stand before them.
    """
    import keras

    from keras_tnn.surgery.graph import read_graph
    from keras_tnn.surgery.registry import rule_of

    graph = read_graph(model)
    tensor = next(one for one in graph.inputs if one.name == x.name)
    factors = []
    for call in graph.calls:
        if not any(one is tensor for one in call.inputs):
            continue
        if isinstance(call.operation, keras.layers.Rescaling):
            factors.append(np.mean(np.abs(call.operation.scale)))
        elif isinstance(call.operation, keras.layers.Normalization) and not call.operation.invert:
            variance = keras.ops.convert_to_numpy(call.operation.variance)
            factors.append(np.mean(1 / np.sqrt(np.maximum(variance, 1e-12))))
        elif not rule_of(call).at_training_only:
            continue
        tensor = call.output
    return float(np.prod(factors)) if factors and np.prod(factors) > 0 else None


def _checked(
    given: Preprocessing | Mapping[str, Preprocessing], channels: Mapping[str, int]
) -> dict[str, Preprocessing]:
    if isinstance(given, Preprocessing) and len(channels) == 1:
        given = dict.fromkeys(channels, given)
    if not isinstance(given, Mapping) or not set(given) <= set(channels):
        raise ValueError(
            "Invalid value for `preprocessing`. Expected a tnn_tflite.Preprocessing for each input "
            f"that takes pictures, by name, which are {list(channels)}. Received: {given!r}"
        )
    return {name: _for_channels(steps, channels[name]) for name, steps in given.items()}


def _for_channels(steps: Preprocessing, channels: int) -> Preprocessing:
    """The steps with a number for each channel."""
    if not isinstance(steps, Preprocessing):
        raise ValueError(
            "Invalid value for `preprocessing`. Expected a tnn_tflite.Preprocessing. "
            f"Received: {steps!r}"
        )
    numbers = {key: np.atleast_1d(getattr(steps, key)).tolist() for key in ("scale", "offset")}
    sizes = {len(numbers["scale"]), len(numbers["offset"])} - {1}
    if not sizes <= {channels} or steps.resize not in ("stretch", "crop"):
        raise ValueError(
            "Invalid value for `preprocessing`. Expected one number or one for each of "
            f"{channels} channels, and a `resize` of 'stretch' or 'crop'. Received: {steps!r}"
        )
    colours = ("grey",) if channels == 1 else ("RGB", "BGR")
    if channels > 1 and steps.colours not in colours:
        raise ValueError(
            f"Invalid value for `preprocessing`. Expected colours among {colours}. "
            f"Received: colours={steps.colours!r}"
        )
    spread = {key: tuple(np.broadcast_to(one, channels).tolist()) for key, one in numbers.items()}
    return replace(steps, **spread, colours="grey" if channels == 1 else steps.colours)
