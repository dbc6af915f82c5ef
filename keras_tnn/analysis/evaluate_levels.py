"""Evaluating the levels of a throttled model as they would be deployed: cut, then measured."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_tnn.analysis.level_table import LevelRow, LevelTable
from keras_tnn.analysis.open_groups import count_open_groups
from keras_tnn.analysis.progress_bar import progress_bar
from keras_tnn.cost import EnergyModel, energy, layer_costs
from keras_tnn.cost.rising import warn_of_falling_costs
from keras_tnn.surgery import copy_weights, materialize
from keras_tnn.training.statistics import warn_without_calibration
from keras_tnn.utilization import check_levels

MEASURES = ("loss", "loss_weights", "metrics", "weighted_metrics")


def evaluate_levels(
    model: keras.Model,
    x: Any,
    y: Any = None,
    levels: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
    *,
    calibration_data: Any = None,
    vanilla: keras.Model | None = None,
    batch_size: int | None = None,
    energy_model: EnergyModel | None = None,
    measure: Callable[[keras.Model, Any, Any], Mapping[str, float]] | None = None,
    verbose: bool | None = None,
) -> LevelTable:
    """Cuts each level out of a throttled model and evaluates it with the model's own metrics.

    Args:
        model: throttled model, compiled where `measure` is not given.
        x: test data without utilization: arrays, a `tf.data.Dataset` or a
            `keras.utils.PyDataset`. Read once a level.
        y: labels, where `x` is arrays.
        levels: rising utilizations in (0, 1].
        calibration_data: training inputs by which each level's batch-norm statistics are
            estimated anew, as `materialize` takes them. About a thousand samples do. None where
            every sample drew its own u in training.
        vanilla: the plain twin of `model`, trained without a dial. It is cut and calibrated at
            the same levels in the same way: what throttled training is worth stands beside it.
        batch_size: samples a batch, as for `keras.Model.evaluate`.
        energy_model: what memory accesses and MACs cost, for the levels' energy. Defaults to
            `keras_tnn.cost.EnergyModel()`, a float32 accelerator in 45 nm.
        measure: from a level, `x` and `y` its metrics by name, in place of the compiled ones: for
            what is not a mean over batches, such as the mean average precision of a detector.
        verbose: whether to show a progress bar over the levels. None on a terminal or in a
            notebook only.

    Returns:
        `LevelTable`: per level u, groups, MACs, parameters, energy and metrics.

    Raises:
        ValueError: if `levels` are invalid, the model is not compiled or not throttled, `x` can
            be read only once, or `vanilla` has other weights than `model`.

    Warns:
        UserWarning: if the cost of the levels falls as u rises.

    Example:

    >>> model = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16,
    ...     batch_normalization=False)
    >>> model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x, y = np.zeros((4, 8, 8, 3)), np.zeros(4)
    >>> table = evaluate_levels(model, x, y, levels=(0.5, 1.0), verbose=False)
    >>> [(row.utilization, row.open_groups, row.total_groups) for row in table.rows]
    [(0.5, 6, 12), (1.0, 12, 12)]
    """
    levels = check_levels(levels)
    measures = None if measure else measures_of(model)
    if isinstance(x, Iterator):
        raise ValueError(
            "Invalid value for `x`. Expected arrays, a tf.data.Dataset or a PyDataset, which can "
            f"be read once a level. Received: {type(x).__name__}"
        )
    if calibration_data is None:
        warn_without_calibration(model)
    twin = None if vanilla is None else with_weights_of(vanilla, model)
    bar = progress_bar(len(levels), "level", verbose)

    def metrics_of(network: keras.Model) -> dict[str, float]:
        if measure:
            return dict(measure(network, x, y))
        # Not the compilation of its own class: what was measured is in the terms of Keras.
        keras.Model.compile(network, **keras.saving.deserialize_keras_object(measures))
        return network.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)

    rows = []
    for u in levels:
        small, cut_vanilla = (
            materialize(one, utilization=u, calibration_data=calibration_data) if one else None
            for one in (model, twin)
        )
        open_groups, total_groups = count_open_groups(model, u)
        costs = layer_costs(small)
        rows.append(
            LevelRow(
                utilization=u,
                open_groups=open_groups,
                total_groups=total_groups,
                macs=sum(cost.macs for cost in costs),
                parameters=small.count_params(),
                metrics=metrics_of(small),
                vanilla_metrics=metrics_of(cut_vanilla) if cut_vanilla else None,
                energy=energy(costs, energy_model),
            )
        )
        bar.add(1)
    warn_of_falling_costs(levels, [row.macs for row in rows])
    return LevelTable(tuple(rows), samples_in(x), chance_of(model, y))


def samples_in(x: Any) -> int | None:
    """How many samples arrays hold; None for what is read batch by batch."""
    first = keras.tree.flatten(x)[0]
    return int(first.shape[0]) if getattr(first, "shape", ()) else None


def chance_of(model: keras.Model, y: Any) -> float | None:
    """The accuracy of guessing where `y` holds a class for each sample of a classifier."""
    output, labels = model.outputs[0], np.asarray(y) if isinstance(y, np.ndarray | list) else None
    integers = labels is not None and labels.dtype.kind in "iu" and labels.size == len(labels)
    several = len(model.outputs) == 1 and len(output.shape) == 2 and (output.shape[-1] or 0) > 1
    return 1 / output.shape[-1] if integers and several else None


def measures_of(model: keras.Model) -> dict:
    """The model's compiled loss and metrics, serialised; each level is compiled with its own."""
    config = model.get_compile_config() if model.compiled else None
    if not config:
        raise ValueError(
            f"Model '{model.name}' is not compiled, so there is nothing to measure. Call "
            "`model.compile(loss=..., metrics=...)` first."
        )
    return {name: config[name] for name in MEASURES}


def with_weights_of(vanilla: keras.Model, model: keras.Model) -> keras.Model:
    """A copy of the throttled `model` that holds the weights of its plain twin."""
    try:
        return copy_weights(vanilla, keras.models.clone_model(model))
    except ValueError as error:
        raise ValueError(
            f"Invalid value for `vanilla`. Expected the plain twin of '{model.name}', with the "
            "same weights in layers of the same names, such as `throttled=False` builds. "
            f"Received: '{vanilla.name}'. {error}"
        ) from error
