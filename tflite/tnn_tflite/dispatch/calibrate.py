"""Measures every level of a bundle on this device and stores the table beside the bundle."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.dispatch.inputs import zeros
from tnn_tflite.latency.in_turn import seconds_in_turn
from tnn_tflite.latency.powercap import POWERCAP, EnergyCounters, joules_of_calls
from tnn_tflite.latency.table import DeviceTable
from tnn_tflite.latency.table_file import table_path, write_table

if TYPE_CHECKING:
    from tnn_tflite.dispatch.dispatcher import Dispatcher

logger = logging.getLogger("tnn_tflite")


def calibrate(
    dispatcher: Dispatcher,
    *,
    x: Any = None,
    labelled: tuple[Any, np.ndarray] | None = None,
    rounds: int = 50,
    powercap: str = POWERCAP,
) -> DeviceTable:
    """Measures every level on this device and stores the table beside the bundle.

    A `Dispatcher` that is opened afterwards with the same runtime and number of threads reads it.
    Levels are measured in turn, so that a drift of the device meets all of them.

    Args:
        dispatcher: The open bundle.
        x: One sample to run. None runs zeros: the time of a dense network ignores values. Give
            a real sample to a network whose gates depend on the data.
        labelled: Samples and their classes, shape `(batch,)`: the accuracy of each level is
            stored, too. The network has one output, of shape `(classes,)`.
        rounds: How often each level is timed, at least 3.
        powercap: Where Linux describes its energy counters. Where they cannot be read the table
            has no energy. They count the whole processor package: let nothing else run.

    Returns:
        The table.

    Raises:
        ValueError: If an argument is not valid.
    """
    if rounds < 3:
        raise ValueError(
            f"Invalid value for `rounds`. Expected an integer, at least 3. Received: {rounds=}"
        )
    dispatcher.warm_up()
    utilizations = [level.utilization for level in dispatcher.levels]
    sample = zeros(dispatcher.bundle.inputs) if x is None else x
    calls = [partial(dispatcher, sample, utilization) for utilization in utilizations]
    counters = EnergyCounters.find(powercap)
    table = DeviceTable.from_times(
        dispatcher.conditions,
        utilizations,
        seconds_in_turn(calls, rounds=rounds),
        joules=None if counters is None else joules_of_calls(calls, counters),
        accuracies=None if labelled is None else _accuracies(dispatcher, *labelled),
    )
    path = table_path(dispatcher.bundle.directory, table.conditions)
    write_table(path, table)
    logger.info("measured %d levels, stored in '%s'", len(utilizations), path)
    return table


def _accuracies(dispatcher: Dispatcher, samples: Any, classes: np.ndarray) -> list[float]:
    specs = dispatcher.bundle.outputs
    if len(specs) != 1 or len(specs[0].shape) != 1:
        raise ValueError(
            "Invalid value for `labelled`. Expected a network with one output, a score for each "
            f"class. Received: outputs {[(spec.name, spec.shape) for spec in specs]}"
        )
    classes = np.asarray(classes).reshape(-1)
    accuracies = []
    for level in dispatcher.levels:
        found = dispatcher(samples, level.utilization)
        if len(found) != len(classes):
            raise ValueError(
                "Invalid value for `labelled`. Expected a class for each sample. "
                f"Received: {len(found)} samples and {len(classes)} classes"
            )
        accuracies.append(float(np.mean(found.argmax(axis=-1) == classes)))
    return accuracies
