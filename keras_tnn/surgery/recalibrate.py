"""Batch-norm statistics, estimated anew on data.

Where the samples of a batch share one utilization in training, each level learns with statistics of
its own, and their moving average fits none of them. Estimating them per level on a few hundred
samples restores the accuracy at no cost on the device (Yu and Huang 2019, "Universally slimmable
networks", section 3.3).

Where every sample draws its own utilization, all levels learn with statistics of the mixture, which
the moving average holds: estimated anew for one level they are others than it learned with.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from keras_tnn.utilization import check_one, has_dial


def recalibrate(
    model: keras.Model, data, batch_size: int = 256, utilization: float = 1.0
) -> keras.Model:
    """Sets the moving mean and variance of every `BatchNormalization` from `data`, in place.

    Every layer normalises with the statistics of its batch, and the statistics of all batches
    together become the moving ones, those of frozen layers, too. Dropout and the like stay off,
    and learned gates decide as at inference. Few open gates make the statistics of training
    unsteady: herrmann2019 (4.1) re-estimates them on 200 large batches before evaluation.

    A level needs it if batches shared one utilization in training (`SandwichRule`, `per="batch"`,
    `UtilizationCurriculum`) or if it was not trained at all. Leave it out if every sample drew
    its own (`per="sample"`): there the levels lose a few points by it.

    Args:
        model: built functional model.
        data: array of inputs `(samples, ...)`, a list or dict of arrays for several inputs, or an
            iterable of batches (`x` or `(x, y)`), such as a `tf.data.Dataset`.
        batch_size: samples a batch where `data` is arrays; larger is better.
        utilization: float in (0, 1], for a model with that input.

    Returns:
        The model.

    Raises:
        ValueError: if `data` is empty.
    """
    layers, moments = [], []  # of each call of a normalisation: mean, variance, entries a channel

    def call(layer, *args, **kwargs):
        if not isinstance(layer, keras.layers.BatchNormalization):
            return layer(*args, **kwargs)
        mask = kwargs.get("mask", getattr(args[0], "_keras_mask", None))
        layers.append(layer)
        moments.extend(moments_of(ops.cast(args[0], "float32"), layer.axis, mask))
        return layer(*args, **{**kwargs, "training": True})

    clone = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    if not layers:
        return model
    probe = keras.Model(clone.input, moments)
    level = check_one(utilization)
    measured = []
    with thawed(layers):
        for batch in batches_of(data, batch_size):
            # No `training` argument: it would override the one of the normalisations.
            inputs = batch_at(clone, batch, level)
            measured.append([ops.convert_to_numpy(x) for x in probe(inputs)])
    if not measured:
        raise ValueError("Invalid value for `calibration_data`. Expected samples. Received none.")
    for layer in {id(one): one for one in layers}.values():
        # A layer that is called several times has the statistics of all of its calls together.
        calls = [3 * i for i, one in enumerate(layers) if one is layer]
        means, variances, sizes = (
            np.stack([batch[i + k] for batch in measured for i in calls]) for k in range(3)
        )
        mean = np.average(means, axis=0, weights=sizes)
        spread = np.average((means - mean) ** 2, axis=0, weights=sizes)
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(np.average(variances, axis=0, weights=sizes) + spread)
    return model


def moments_of(x, axis: int, mask) -> tuple:
    """Mean, variance and number of the entries of each channel, those that a mask takes out aside.

    Args:
        x: tensor of floats.
        axis: of the channels.
        mask: None, or of one dimension less than `x`, as the normalisation takes it.
    """
    axes = [i for i in range(len(x.shape)) if i != axis % len(x.shape)]
    counts = ops.ones_like(x)
    if mask is not None:
        counts = ops.cast(ops.expand_dims(mask, -1), x.dtype) * counts
    entries = ops.sum(counts, axis=axes)
    sizes = ops.maximum(ops.sum(counts, axis=axes, keepdims=True), 1)
    mean = ops.sum(x * counts, axis=axes, keepdims=True) / sizes
    variance = ops.sum((x - mean) ** 2 * counts, axis=axes, keepdims=True) / sizes
    return ops.squeeze(mean, axes), ops.squeeze(variance, axes), entries


@contextmanager
def thawed(layers: list[keras.layers.Layer]) -> Iterator[None]:
    """Within it no layer is frozen: a frozen one would normalise by its old statistics."""
    frozen = [layer for layer in layers if not layer.trainable]
    for layer in frozen:
        layer.trainable = True
    try:
        yield
    finally:
        for layer in frozen:
            layer.trainable = False


def batch_at(model: keras.Model, batch, utilization: float):
    """The batch as the model takes it, with utilization if it has that input."""
    if not has_dial(model):
        return batch
    features = [ops.convert_to_tensor(x) for x in keras.tree.flatten(batch)]
    filled = ops.full((len(features[0]),), utilization, "float32")
    left = iter(features)  # in the order of the inputs, in dictionaries too
    inputs = [filled if x.name == "utilization" else next(left) for x in model.inputs]
    return keras.tree.pack_sequence_as(model.input, inputs)


def batches_of(data, batch_size: int):
    """Yields batches of inputs from arrays or from an iterable of batches."""
    leaves = keras.tree.flatten(data)
    if all(hasattr(leaf, "shape") for leaf in leaves):
        for start in range(0, len(leaves[0]), batch_size):
            yield keras.tree.map_structure(lambda x: x[start : start + batch_size], data)  # noqa: B023
    else:
        indexed = isinstance(data, keras.utils.PyDataset)
        for batch in (data[i] for i in range(len(data))) if indexed else data:
            yield batch[0] if isinstance(batch, tuple) else batch
