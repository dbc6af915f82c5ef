"""Evaluating the exits of a model, at one level or at several (wang2019, Table II)."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from keras_tnn.analysis.exit_table import ExitRow, ExitTable
from keras_tnn.cost import EnergyModel, energy
from keras_tnn.cost.layer_costs import layer_costs
from keras_tnn.exits.exit_costs import reads_data
from keras_tnn.exits.sample_costs import SampleCosts
from keras_tnn.surgery import materialize
from keras_tnn.training.statistics import warn_without_calibration
from keras_tnn.utilization import check_levels, has_dial


def evaluate_exits(
    model: keras.Model,
    x: Any,
    y: Any = None,
    levels: Sequence[float] | None = None,
    *,
    calibration_data: Any = None,
    batch_size: int | None = None,
    energy_model: EnergyModel | None = None,
) -> ExitTable:
    """Evaluates what stopping at each exit costs and is worth.

    Args:
        model: compiled model with exits, as `keras_tnn.add_exits` makes it.
        x: test data: arrays, a `tf.data.Dataset` or a `keras.utils.PyDataset`; without
            utilization. Read once a level; twice where gates read the data.
        y: labels, where `x` is arrays.
        levels: rising utilizations in (0, 1] of a model with a dial, each of which is cut out: u
            and exit together are an operating point. By default 1. Where gates read the data
            nothing is cut out: costs are means over the samples, by what their gates decide.
        calibration_data: training inputs by which each level's batch-norm statistics are
            estimated anew, as `materialize` takes them.
        batch_size: samples a batch, as for `keras.Model.evaluate`.
        energy_model: as for `evaluate_levels`.

    Returns:
        `ExitTable`: per exit MACs, their share of the whole network's, energy and metrics.

    Raises:
        ValueError: if the model has no exits or is not compiled, `levels` are given for a model
            without a dial, or `x` can be read only once.

    Example:

    >>> network = keras_tnn.models.ResNet((8, 8, 3), 10, depth=8, width=4, throttled=False)
    >>> model = keras_tnn.add_exits(network, at=["stage1_block1_relu"])
    >>> model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> table = evaluate_exits(model, np.zeros((4, 8, 8, 3)), np.zeros(4))
    >>> [(row.exit, row.macs) for row in table.rows]
    [('exit1', 34720), ('predictions', 54176)]
    """
    check_has_exits(model, levels)
    if isinstance(x, Iterator):
        raise ValueError(
            "Invalid value for `x`. Expected arrays, a tf.data.Dataset or a PyDataset, which can "
            f"be read once a level. Received: {type(x).__name__}"
        )
    if not has_dial(model):
        return ExitTable(tuple(rows_of(model, model, None, x, y, batch_size, energy_model)))
    if calibration_data is None:
        warn_without_calibration(model)
    rows = []
    for u in check_levels((1.0,) if levels is None else levels):
        if reads_data(model):
            rows += rows_by_sample(model, u, x, y, calibration_data, batch_size, energy_model)
            continue
        level = materialize(model, u, calibration_data)
        level.compile(**model.measures_of_all())
        rows += rows_of(model, level, u, x, y, batch_size, energy_model)
    return ExitTable(tuple(rows))


def check_has_exits(model: keras.Model, levels):
    if not getattr(model, "exit_names", None) or not model.compiled:
        raise ValueError(
            "Invalid value for `model`. Expected a compiled model with exits, as "
            f"keras_tnn.add_exits makes it. Received: '{model.name}', a {type(model).__name__}"
        )
    if levels is not None and not has_dial(model):
        raise ValueError(
            f"Invalid value for `levels`. Model '{model.name}' has no dial. Expected None. "
            f"Received: levels={levels}"
        )


def rows_of(model, level, u, x, y, batch_size, energy_model) -> Iterator[ExitRow]:
    """The rows of a level, a plain model with exits: all of them in one pass over the data."""
    whole = model.exit_costs()[model.exit_names[-1]]
    logs = level.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
    for name in model.exit_names:
        costs = layer_costs(level.up_to(name))
        macs = sum(cost.macs for cost in costs)
        joules = energy(costs, energy_model)
        yield ExitRow(name, macs, macs / whole, joules, of_exit(name, logs), u)


def rows_by_sample(model, u, x, y, calibration_data, batch_size, energy_model) -> Iterator[ExitRow]:
    """The rows of a level whose gates read the data: costs are means over the samples."""
    at = {"utilization": u, "calibration_data": calibration_data}
    at |= {"batch_size": batch_size, "verbose": 0}
    logs = model.evaluate(x, y, return_dict=True, **at)
    counted = SampleCosts(model), SampleCosts(model, "energy", energy_model)
    whole = counted[0].all_open[model.exit_names[-1]]

    def both(decisions):
        return ops.concatenate([one(decisions) for one in counted], axis=-1)

    macs, joules = model.with_costs(x, both, **at)[-1].mean(axis=0).reshape(2, -1).tolist()
    for name, one, of_energy in zip(model.exit_names, macs, joules, strict=True):
        yield ExitRow(name, one, one / whole, of_energy, of_exit(name, logs), u)


def of_exit(name: str, logs: dict[str, float]) -> dict[str, float]:
    """The loss and metrics of one exit among those of all."""
    start = f"{name}_"
    return {log.removeprefix(start): one for log, one in logs.items() if log.startswith(start)}
