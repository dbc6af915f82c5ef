"""What the levels of a bundle cost and are worth, and which of them fit into bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tnn_tflite.bundle.exit_level import ExitLevel
from tnn_tflite.bundle.programs import Level, Program
from tnn_tflite.row_table import RowTable


@dataclass(frozen=True)
class BundleRow:
    """A level or an exit of a bundle, or its controller.

    Attributes:
        utilization: u in (0, 1]; None for a controller.
        name: of the exit, or `"controller"`; None for a level.
        macs: multiply-accumulates for one sample.
        parameters: number of weights.
        bytes: size of the file, of an exit of all files up to it.
        file: its name.
        milliseconds: median time of a sample, or None.
        accuracy: in [0, 1], or None.
    """

    utilization: float | None
    name: str | None
    macs: int
    parameters: int
    bytes: int
    file: str
    milliseconds: float | None = None
    accuracy: float | None = None

    @property
    def title(self) -> str:
        """The utilization, with the name of an exit; or `"controller"`."""
        if self.utilization is None:
            return self.name
        return (
            f"{self.utilization:g}" if self.name is None else f"{self.utilization:.3g} {self.name}"
        )


COLUMNS = {
    "u": ("title", "{}".format),
    "MACs": ("macs", "{:,}".format),
    "parameters": ("parameters", "{:,}".format),
    "bytes": ("bytes", "{:,}".format),
    "ms": ("milliseconds", "{:.3f}".format),
    "accuracy": ("accuracy", "{:.4f}".format),
    "file": ("file", "{}".format),
}


@dataclass(frozen=True)
class BundleTable(RowTable):
    """Rows for rising utilizations, then a controller. `print(table)` shows them.

    `keras_tnn.analysis.level_figure(table, "accuracy")` draws it, where Keras is.

    Attributes:
        rows: tuple of `BundleRow`.
        samples: how many the accuracy is of, or None.
        chance: the accuracy of guessing, 1 / classes, or None.
    """

    columns = COLUMNS
    rows: tuple[BundleRow, ...]
    samples: int | None = None
    chance: float | None = None

    def records(self) -> list[dict[str, Any]]:
        """Each row's attributes by name, and what is known of all."""
        about = {"samples": self.samples, "chance": self.chance}
        known = {name: value for name, value in about.items() if value is not None}
        return [{**record, **known} for record in super().records()]

    @classmethod
    def of(cls, programs: Sequence[Program | ExitLevel]) -> BundleTable:
        """Returns the table of what the manifest alone says.

        Args:
            programs: `bundle.points`, and its controller behind them.
        """
        return cls(tuple(map(_row, programs)))

    def measured(self, **columns: Sequence[float | None] | Mapping[tuple, float]) -> BundleTable:
        """Returns the table with more columns.

        Args:
            columns: `milliseconds` or `accuracy`: a value a row, from the first on, or values by
                utilization and name, which is None for a level.
        """
        rows = self.rows
        for name, values in columns.items():
            if isinstance(values, Mapping):
                values = [values.get((row.utilization, row.name)) for row in rows]
            short = [None] * (len(rows) - len(values))
            rows = tuple(
                replace(row, **{name: value})
                for row, value in zip(rows, [*values, *short], strict=True)
            )
        return replace(self, rows=rows)

    def knows(self, name: str) -> bool:
        """Whether a column has a value for each level."""
        return all(getattr(row, name) is not None for row in self._levels)

    @property
    def _levels(self) -> list[BundleRow]:
        return [row for row in self.rows if row.utilization is not None]

    def fitting(
        self,
        accuracy: float | None = None,
        bytes: float | None = None,
        milliseconds: float | None = None,
    ) -> tuple[BundleRow, ...]:
        """Returns the levels within bounds, rising; of which the first costs least.

        Args:
            accuracy: at least, in [0, 1].
            bytes: at most.
            milliseconds: at most.

        Raises:
            ValueError: If a bound is on what is not known of the levels.

        Example:

        >>> low, high = (BundleRow(u, None, 9, 9, size, "f", accuracy=right)
        ...              for u, size, right in ((0.5, 100, 0.8), (1.0, 300, 0.9)))
        >>> [row.utilization for row in BundleTable((low, high)).fitting(accuracy=0.85)]
        [1.0]
        """
        least = {"accuracy": accuracy}
        most = {"bytes": bytes, "milliseconds": milliseconds}
        for name, bound in {**least, **most}.items():
            if bound is not None and not self.knows(name):
                raise ValueError(
                    f"Invalid value for `{name}`. Expected None, as the {name} of the levels is "
                    f"not known. Received: {name}={bound:g}"
                )
        return tuple(
            row
            for row in self._levels
            if all(bound is None or getattr(row, name) >= bound for name, bound in least.items())
            and all(bound is None or getattr(row, name) <= bound for name, bound in most.items())
        )


def _row(program: Program | ExitLevel) -> BundleRow:
    if isinstance(program, ExitLevel):
        u, name = program.utilization, program.name
    else:
        is_level = isinstance(program, Level)
        u, name = (program.utilization, None) if is_level else (None, program.role)
    own = (program.macs, program.parameters, program.bytes, program.file)
    return BundleRow(u, name, *own, accuracy=getattr(program, "accuracy", None))
