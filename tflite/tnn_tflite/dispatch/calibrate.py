"""Measures all that a bundle runs on this device and stores the table beside the bundle."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.bundle.exit_level import exit_of
from tnn_tflite.dispatch.inputs import InputReader, zeros
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
    verbose: bool | None = None,
) -> DeviceTable:
    """Measures every level and the controller on this device; stores the table beside the bundle.

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
        verbose: Whether to show a progress bar. None on a terminal only.

    Returns:
        The table.

    Raises:
        ValueError: If an argument is not valid.
    """
    if rounds < 3:
        raise ValueError(
            f"Invalid value for `rounds`. Expected an integer, at least 3. Received: {rounds=}"
        )
    utilizations = [level.utilization for level in dispatcher.levels]
    calls = warm_calls(dispatcher, x)
    of_levels = calls[: len(utilizations)]
    counters = EnergyCounters.find(powercap)
    table = DeviceTable.from_times(
        dispatcher.conditions,
        utilizations,
        seconds_in_turn(calls, rounds=rounds, verbose=verbose),
        joules=None if counters is None else joules_of_calls(of_levels, counters),
        accuracies=None if labelled is None else _accuracies(dispatcher, *labelled),
        exits=[exit_of(level) for level in dispatcher.levels],
    )
    path = table_path(dispatcher.bundle.directory, table.conditions)
    write_table(path, table)
    logger.info("measured %d levels, stored in '%s'", len(utilizations), path)
    return table


def warm_calls(dispatcher: Dispatcher, x: Any = None) -> list[Callable[[], object]]:
    """Returns a call for each level, and one of a controller alone, each warm.

    Args:
        dispatcher: The open bundle.
        x: One sample. None takes zeros.
    """
    specs, controller = dispatcher.bundle.inputs, dispatcher.controller
    x = zeros(specs) if x is None else x
    dispatcher.warm_up()
    calls: list[Callable[[], object]] = [
        partial(dispatcher, x, **level.arguments) for level in dispatcher.levels
    ]
    if controller is not None:
        controller.warm_up()
        inputs, _ = InputReader(specs, dispatcher.bundle.preprocessing)(x)
        calls.append(partial(controller.run, inputs))
    return calls


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
        found = dispatcher(samples, **level.arguments)
        if len(found) != len(classes):
            raise ValueError(
                "Invalid value for `labelled`. Expected a class for each sample. "
                f"Received: {len(found)} samples and {len(classes)} classes"
            )
        accuracies.append(float(np.mean(found.argmax(axis=-1) == classes)))
    return accuracies
