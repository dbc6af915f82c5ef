"""Quantization that leaves gates as they are."""

import re
import warnings
from collections.abc import Callable

import keras

from keras_tnn.gates import Estimator, Gate
from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.leaf_layers import leaf_layers


def without_gates(model: keras.Model, filters=None) -> Callable[[keras.layers.Layer], bool]:
    """The `filters` of `keras.Model.quantize` that also leave gates out.

    Rounded, u would step over a threshold and p over 1/2: gates demand float32.

    Args:
        model: a model with gates.
        filters: None, a regular expression, a list of them, or a function of a layer.
    """
    owners = (*model.gates, *model.gate_fronts)
    weights = {id(weight) for one in owners for weight in one.weights}

    def quantized(layer: keras.layers.Layer) -> bool:
        idle = isinstance(layer, (Gate, Estimator)) or not layer.built
        return not idle and weights.isdisjoint(map(id, layer.weights)) and given(layer)

    def given(layer: keras.layers.Layer) -> bool:
        if filters is None or callable(filters):
            return filters is None or filters(layer)
        patterns = [filters] if isinstance(filters, str) else filters
        return any(re.search(pattern, layer.name) for pattern in patterns)

    return quantized


def warn_of_float(model: keras.Model):
    """Says which layers that obey gates stay float, as Keras quantizes plain layers only."""
    gated = [layer for layer in leaf_layers(model) if isinstance(layer, Gated) and layer.weights]
    held = [layer.name for layer in gated if len(layer.weights) > len(layer.gate.weights)]
    if held:
        warnings.warn(
            f"The layers {held} hold gates and stay as they are: Keras quantizes plain layers. "
            "For all of a level cut it first: `keras_tnn.materialize(model, u).quantize(...)`.",
            UserWarning,
            stacklevel=3,
        )
