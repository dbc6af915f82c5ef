"""What this device knows of the levels of a bundle, for policies."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.exit_level import ExitLevel, exit_of
from tnn_tflite.bundle.programs import Level
from tnn_tflite.forks import renew_in_children
from tnn_tflite.latency.in_turn import seconds_in_turn
from tnn_tflite.latency.table import Conditions, DeviceTable, LevelMeasurement
from tnn_tflite.latency.table_file import TableError, read_table, table_path
from tnn_tflite.policies.policy import KnownLevel

logger = logging.getLogger("tnn_tflite")

QUICK_ROUNDS = 20
QUICK_SECONDS = 1.0


class KnownLevels:
    """The levels with what the device's table has of them, or with a quick measurement.

    Args:
        bundle: The bundle.
        conditions: What the table must hold for.
        table: The file of the table, which must be good. None looks beside the bundle, where a
            table that is damaged or of something else counts as none.

    Raises:
        TableError: If `table` is given and cannot be used.
    """

    def __init__(
        self,
        bundle: Bundle,
        conditions: Callable[[], Conditions],
        table: str | os.PathLike | None = None,
    ) -> None:
        self._bundle = bundle
        self._conditions = conditions
        renew_in_children(self)
        self._levels: tuple[KnownLevel, ...] | None = None
        if table is not None:
            self._levels = self._with(self._read(Path(table)))

    def renew(self) -> None:
        self._measuring = threading.Lock()

    def __call__(
        self, needs_times: bool, calls: Callable[[], Sequence[Callable[[], object]]]
    ) -> tuple[KnownLevel, ...]:
        """Returns the levels.

        Args:
            needs_times: Whether their `milliseconds` are needed. Without a table they are then
                measured, in about a second, once.
            calls: Returns a call for each level, each warm; asked if levels must be measured.
        """
        if self._lacks(needs_times):
            with self._measuring:  # the other threads wait, and find what this one measured
                if self._levels is None:
                    self._levels = self._with(self._found_beside())
                if self._lacks(needs_times):
                    self._levels = self._with(self._measured(calls()))
        return self._levels

    def _lacks(self, needs_times: bool) -> bool:
        return self._levels is None or needs_times and self._levels[0].milliseconds is None

    def _read(self, path: Path) -> DeviceTable:
        utilizations = [level.utilization for level in self._bundle.points]
        return read_table(path, self._conditions(), utilizations)

    def _found_beside(self) -> DeviceTable | None:
        path = table_path(self._bundle.directory, self._conditions())
        if not path.exists():
            return None
        try:
            return self._read(path)
        except TableError as error:
            logger.warning("%s", error)
            return None

    def _measured(self, calls: Sequence[Callable[[], object]]) -> DeviceTable:
        seconds = seconds_in_turn(calls, rounds=QUICK_ROUNDS, at_most_seconds=QUICK_SECONDS)
        utilizations = [level.utilization for level in self._bundle.points]
        exits = [exit_of(level) for level in self._bundle.points]
        table = DeviceTable.from_times(self._conditions(), utilizations, seconds, exits=exits)
        logger.info(
            "no table of latencies for '%s': measured quickly, not stored; `keras-tnn calibrate` "
            "measures and stores one\n%s",
            self._bundle.directory,
            table,
        )
        return table

    def _with(self, table: DeviceTable | None) -> tuple[KnownLevel, ...]:
        measurements = [None] * len(self._bundle.points) if table is None else table.levels
        return tuple(
            _known(level, measurement)
            for level, measurement in zip(self._bundle.points, measurements, strict=True)
        )


def _known(level: Level | ExitLevel, measurement: LevelMeasurement | None) -> KnownLevel:
    exit = exit_of(level)
    told = getattr(level, "accuracy", None)  # by the bundle; what was measured here is better
    known = KnownLevel(
        level.utilization, level.macs, level.parameters, level.bytes, accuracy=told, exit=exit
    )
    if measurement is None:
        return known
    accuracy = told if measurement.accuracy is None else measurement.accuracy
    return replace(known, **{**asdict(measurement), "exit": exit, "accuracy": accuracy})
