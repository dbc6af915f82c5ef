"""Batch-norm statistics of a level, while it is evaluated."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import keras

from keras_tnn.surgery.leaf_layers import leaf_layers
from keras_tnn.surgery.recalibrate import recalibrate


def normalizations(model) -> list[keras.layers.BatchNormalization]:
    """The batch normalisations of a model, those of nested models included."""
    return [one for one in leaf_layers(model) if isinstance(one, keras.layers.BatchNormalization)]


def warn_without_calibration(model: keras.Model, stacklevel: int = 3):
    """Says that statistics of training may fit no level that is cut, if the model has any."""
    if normalizations(model):
        warnings.warn(
            "The model has batch normalization and `calibration_data` is None. Where the samples "
            "of a batch shared one utilization in training, as by SandwichRule, its statistics "
            "fit no single level and accuracy can fall to chance: pass about a thousand training "
            "inputs. Where every sample drew its own, they fit as they are.",
            UserWarning,
            stacklevel=stacklevel,
        )


def warn_of_statistics(model):
    """Says that a level's statistics are not its own, if the model has any."""
    if normalizations(model):
        warnings.warn(
            f"Model '{model.name}' has BatchNormalization, and the samples of a batch shared one "
            "utilization in training: its statistics do not fit this level, and accuracy can fall "
            "to chance. Pass about a thousand training inputs as `calibration_data`.",
            UserWarning,
            stacklevel=3,
        )


@contextmanager
def calibrated(model, data, utilization: float) -> Iterator[None]:
    """Within it the statistics are those of a level, estimated on data; None changes nothing."""
    if data is None:
        yield
        return
    weights = [w for n in normalizations(model) for w in (n.moving_mean, n.moving_variance)]
    before = [keras.ops.convert_to_numpy(weight) for weight in weights]
    try:
        recalibrate(model, data, utilization=utilization)
        yield
    finally:
        for weight, value in zip(weights, before, strict=True):
            weight.assign(value)
