"""Batch-norm statistics, estimated anew on data.

Where the samples of a batch share one utilization in training, each level learns with statistics of
its own, and their moving average fits none of them. Estimating them per level on a few hundred
samples restores the accuracy at no cost on the device (Yu and Huang 2019, "Universally slimmable
networks", section 3.3).

Where every sample draws its own utilization, all levels learn with statistics of the mixture, which
the moving average holds: estimated anew for one level they are others than it learned with.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import keras
import numpy as np
from keras import ops

from keras_tnn.surgery.composite import layers_held
from keras_tnn.utilization import check_one, has_dial


def recalibrate(
    model: keras.Model, data, batch_size: int = 256, utilization: float = 1.0
) -> keras.Model:
    """Sets the moving mean and variance of every `BatchNormalization` from `data`, in place.

    Those inside other layers, too. One that its layer calls on tensors without values, as in a
    loop that a backend compiles, keeps its statistics, with a warning that names it.

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
    norms = [x for x in layers_held(model) if is_norm(x) and x.built]
    if not norms:
        return model
    level, empty = check_one(utilization), True
    plain = keras.Model(model.input, model.output)  # whatever the model's own class does in `call`
    with thawed(norms), measuring(norms, layers_held(model)) as moments:
        for batch in batches_of(data, batch_size):
            plain(batch_at(model, batch, level), training=False)
            empty = False
    if empty:
        raise ValueError("Invalid value for `calibration_data`. Expected samples. Received none.")
    for norm in norms:
        if measured := moments[id(norm)]:
            # Of a layer that is called several times those of all of its calls together.
            means, variances, sizes = (np.stack(one) for one in zip(*measured, strict=True))
            mean = np.average(means, axis=0, weights=sizes)
            spread = np.average((means - mean) ** 2, axis=0, weights=sizes)
            norm.moving_mean.assign(mean)
            norm.moving_variance.assign(np.average(variances, axis=0, weights=sizes) + spread)
    report_unmeasured([norm.name for norm in norms if not moments[id(norm)]])
    return model


def is_norm(layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def report_unmeasured(names: list[str]):
    """Warns of normalisations that no layer called on values."""
    if names:
        warnings.warn(
            f"The batch normalisations {names} keep the statistics of training: the layers around "
            "them call them on tensors without values, as in a loop that is compiled, so that "
            "what they read is not seen. Write such a layer as its layers to calibrate them.",
            UserWarning,
            stacklevel=3,
        )


@contextmanager
def measuring(norms: list, layers: list) -> Iterator[dict[int, list]]:
    """Within it normalisations use the statistics of their batch, which are written down.

    Args:
        norms: the normalisations.
        layers: all layers around them.

    Returns:
        For the `id` of each normalisation its mean, variance and number of entries, by call.
    """
    moments: dict[int, list] = {id(norm): [] for norm in norms}

    def measured(norm, call, inputs, training=None, mask=None):
        try:
            found = moments_of(ops.cast(inputs, "float32"), norm.axis, mask)
            found = [ops.convert_to_numpy(x) for x in found]
        except Exception:  # of any backend whose loops run on tensors without values
            return call(inputs, training=False, mask=mask)
        moments[id(norm)].append(found)
        return call(inputs, training=True, mask=mask)

    def all_steps(norm, inputs, training=None, mask=None):
        # (batch, steps, ...) -> (batch * steps, ...)
        mask = None if mask is None else ops.reshape(mask, (-1,))
        made = norm(ops.reshape(inputs, (-1, *inputs.shape[2:])), mask=mask)
        return ops.reshape(made, ops.shape(inputs))

    swapped = [(norm, partial(measured, norm, norm.call)) for norm in norms]
    swapped += [
        (layer, partial(all_steps, layer.layer))
        for layer in layers
        if type(layer) is keras.layers.TimeDistributed and is_norm(layer.layer)
    ]
    for layer, call in swapped:
        vars(layer)["call"] = call
    try:
        yield moments
    finally:
        for layer, _ in swapped:
            del vars(layer)["call"]


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
