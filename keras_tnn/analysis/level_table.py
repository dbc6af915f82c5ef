"""The level table: one row a level, printed, summed up or drawn."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

from keras_tnn.analysis.metric_table import MetricTable
from keras_tnn.cost.text_table import aligned, with_unit


@dataclass(frozen=True)
class LevelRow:
    """One level of a throttled model.

    Attributes:
        utilization: u in (0, 1], as it was asked for.
        open_groups: gated groups that run.
        total_groups: gated groups there are.
        macs: multiply-accumulates for one sample.
        parameters: weights of the level's network.
        metrics: name to value, the loss included, as `evaluate` returns them.
        vanilla_metrics: the same of the vanilla network under the same cut, or None.
        energy: Joules for one sample (wang2019, Eq. 6), or None.
    """

    utilization: float
    open_groups: int
    total_groups: int
    macs: int
    parameters: int
    metrics: dict[str, float]
    vanilla_metrics: dict[str, float] | None = None
    energy: float | None = None

    @property
    def real_utilization(self) -> float:
        """Share of the groups that run: gates round down between two steps of a group.

        It may differ from `utilization` also because a gate keeps a minimum of groups open.
        """
        return self.open_groups / self.total_groups if self.total_groups else 1.0


@dataclass(frozen=True)
class LevelTable(MetricTable):
    """Rows for rising utilizations. `print(table)` shows them.

    Attributes:
        rows: tuple of `LevelRow`.
        samples: how many the metrics are of, or None where that is not known.
        chance: the accuracy of guessing, 1 / classes; None where nothing is classified.
    """

    rows: tuple[LevelRow, ...]
    samples: int | None = None
    chance: float | None = None

    @property
    def has_vanilla(self) -> bool:
        """Whether the rows hold a vanilla network's metrics, too."""
        return self.rows[0].vanilla_metrics is not None

    @property
    def has_energy(self) -> bool:
        """Whether the rows hold an energy."""
        return self.rows[0].energy is not None

    def values(self, metric: str, vanilla: bool = False) -> list[float]:
        """One metric over the levels.

        Args:
            metric: its name.
            vanilla: whether of the vanilla network in place of the throttled one.

        Raises:
            ValueError: if there is no such metric, or no vanilla network was evaluated.
        """
        values = super().values(metric)
        if vanilla and not self.has_vanilla:
            raise ValueError(
                "Invalid value for `vanilla`. Expected False, because no vanilla network was "
                "evaluated. Give `evaluate_levels` one with `vanilla=`."
            )
        return [row.vanilla_metrics[metric] for row in self.rows] if vanilla else values

    def area_under_curve(self, metric: str, vanilla: bool = False) -> float:
        """Area under the metric as a curve over u, divided by the range of u.

        Straight lines join the levels (trapezoids), so a metric that is the same at every level
        is its own area. Areas compare only over the same levels.

        Args:
            metric: name of the metric.
            vanilla: whether of the vanilla network in place of the throttled one.

        Returns:
            Float, in the unit of the metric.

        Raises:
            ValueError: if there is no such metric, or fewer than two levels.

        Example:

        >>> rows = [LevelRow(u, 0, 0, 0, 0, {"accuracy": a}) for u, a in ((0.5, 0.6), (1.0, 0.8))]
        >>> round(LevelTable(tuple(rows)).area_under_curve("accuracy"), 3)
        0.7
        """
        values = self.values(metric, vanilla)
        u = [row.utilization for row in self.rows]
        if len(u) < 2:
            raise ValueError(f"An area needs two levels or more. Received: levels={u}")
        steps = zip(u, u[1:], values, values[1:], strict=False)
        return sum((b - a) * (y + z) / 2 for a, b, y, z in steps) / (u[-1] - u[0])

    def plot(
        self, path: str | PathLike | None = None, metric: str | None = None, *, ax=None, **options
    ):
        """Draws a metric against u and MACs, as `keras_tnn.analysis.level_figure`.

        Args:
            path: where to save the figure; the ending says the format. Not saved if None.
            metric: its name. Defaults to the first that is not the loss.
            ax: axes of yours to draw on, against MACs.
            options: `against`, `baseline`, `data` and `label` of `level_figure`.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if there is no such metric.
        """
        from keras_tnn.analysis.level_figure import level_figure

        return level_figure(self, self.known(metric), path, ax=ax, **options)

    def record(self, row: LevelRow) -> dict[str, Any]:
        found = super().record(row)
        vanilla = found.pop("vanilla_metrics") or {}
        about = {"samples": self.samples, "chance": self.chance}
        about = {name: value for name, value in about.items() if value is not None}
        return {**found, **{f"vanilla_{name}": value for name, value in vanilla.items()}, **about}

    def __str__(self) -> str:
        return aligned(self.lines())

    def lines(self) -> list[list[str]]:
        """The cells that are printed, the header first."""
        return [self.header(), *(self.cells(row) for row in self.rows)]

    def header(self) -> list[str]:
        names = list(self.metric_names)
        energy = ["energy"] if self.has_energy else []
        vanilla = [f"vanilla {name}" for name in names] if self.has_vanilla else []
        return ["u", "real u", "groups", "MACs", "parameters", *energy, *names, *vanilla]

    def cells(self, row: LevelRow) -> list[str]:
        metrics = [row.metrics, row.vanilla_metrics] if self.has_vanilla else [row.metrics]
        return [
            f"{row.utilization:.4g}",
            f"{row.real_utilization:.4g}",
            f"{row.open_groups}/{row.total_groups}",
            with_unit(row.macs),
            with_unit(row.parameters),
            *([with_unit(row.energy, "J")] if self.has_energy else []),
            *(f"{values[name]:.4f}" for values in metrics for name in self.metric_names),
        ]
