"""The device's table: what each level of a bundle takes on this device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tnn_tflite.result_table import ResultTable
from tnn_tflite.text_table import aligned, cells

COLUMNS = {
    "u": ("utilization", "{:g}".format),
    "exit": ("exit", str),
    "median ms": ("milliseconds", "{:.3f}".format),
    "90 % ms": ("percentile_90", "{:.3f}".format),
    "mJ": ("joules", lambda joules: f"{1000 * joules:.3f}"),
    "accuracy": ("accuracy", "{:.4f}".format),
}


@dataclass(frozen=True)
class LevelMeasurement:
    """What was measured of one level.

    Args:
        utilization: Of the level, in (0, 1].
        milliseconds: Median time of a call with one sample.
        percentile_90: Nine of ten calls took at most so many milliseconds.
        joules: Energy of one inference, of the whole processor package, or None.
        accuracy: Share of labelled samples that the level classifies right, or None.
        exit: Name of the exit that answers; None for a level without exits.
    """

    utilization: float
    milliseconds: float
    percentile_90: float
    joules: float | None = None
    accuracy: float | None = None
    exit: str | None = None


@dataclass(frozen=True)
class ControllerMeasurement:
    """What was measured of a controller, which runs before a level.

    Args:
        milliseconds: Median time of a run with one sample.
        percentile_90: Nine of ten runs took at most so many milliseconds.
    """

    milliseconds: float
    percentile_90: float


@dataclass(frozen=True)
class Conditions:
    """What a table holds for. On another bundle, runtime or device it says nothing.

    Args:
        manifest_sha256: SHA-256 of the bundle's manifest.
        runtime: Name of the interpreter's package.
        num_threads: Threads of the interpreter.
        delegate: File name of the delegate library, or None.
        device: The processor and the number of its cores.
    """

    manifest_sha256: str
    runtime: str
    num_threads: int
    delegate: str | None
    device: str


@dataclass(frozen=True)
class DeviceTable(ResultTable):
    """Latency, and what else was measured, of each level of a bundle on this device.

    Printed, it is a table with a row for each level.

    Args:
        conditions: What it holds for.
        levels: A measurement for each level, rising in utilization.
        controller: That of the controller, None for a bundle without one.
    """

    conditions: Conditions
    levels: tuple[LevelMeasurement, ...]
    controller: ControllerMeasurement | None = None

    @classmethod
    def from_times(
        cls,
        conditions: Conditions,
        utilizations: Sequence[float],
        seconds: np.ndarray,
        joules: Sequence[float] | None = None,
        accuracies: Sequence[float] | None = None,
        exits: Sequence[str | None] | None = None,
    ) -> DeviceTable:
        """Makes a table from the times of single calls.

        Args:
            conditions: What it holds for.
            utilizations: Those of the levels, rising.
            seconds: Times of shape (calls, levels), or (calls, levels + 1) with a controller.
            joules: Energy of one inference for each level, or None.
            accuracies: Accuracy of each level, or None.
            exits: Names of the exits, None for levels without.
        """
        medians, tails = 1000 * np.percentile(seconds, (50, 90), axis=0)
        nothing = [None] * len(utilizations)
        times = [column.tolist()[: len(utilizations)] for column in (medians, tails)]
        columns = (utilizations, *times, joules, accuracies, exits)
        rows = zip(*(nothing if column is None else column for column in columns), strict=True)
        levels = tuple(LevelMeasurement(*row) for row in rows)
        if len(medians) == len(levels):
            return cls(conditions, levels)
        return cls(conditions, levels, ControllerMeasurement(float(medians[-1]), float(tails[-1])))

    def records(self) -> list[dict[str, Any]]:
        """What was measured of each level, by name."""
        return [asdict(level) for level in self.levels]

    def lines(self) -> list[list[str]]:
        """The cells that are printed, without columns that no level fills."""
        return cells(self.levels, COLUMNS)

    def __str__(self) -> str:
        text = aligned(self.lines())
        if self.controller is None:
            return text
        return (
            f"{text}\ncontroller: median {self.controller.milliseconds:.3f} ms, "
            f"90 % {self.controller.percentile_90:.3f} ms"
        )
