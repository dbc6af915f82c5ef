"""The table of exits: what stopping at each costs and is worth, at one level or at several."""

from dataclasses import dataclass

from keras_tnn.analysis.metric_table import MetricTable
from keras_tnn.cost.text_table import aligned, with_unit


@dataclass(frozen=True)
class ExitRow:
    """One exit, at one level.

    Attributes:
        exit: its name.
        macs: multiply-accumulates for one sample that stops there: the way and the exit's head.
            Where gates read the data, the mean over samples.
        share: those over the MACs of the whole network, at u = 1 where it has a dial.
        energy: Joules for one sample (wang2019, Eq. 6).
        metrics: name to value, the loss included.
        utilization: the level u in (0, 1], or None for a model without a dial.
    """

    exit: str
    macs: float
    share: float
    energy: float
    metrics: dict[str, float]
    utilization: float | None = None


@dataclass(frozen=True)
class ExitTable(MetricTable):
    """Rows for exits in order of depth, level after level. `print(table)` shows them.

    Attributes:
        rows: tuple of `ExitRow`.
    """

    rows: tuple[ExitRow, ...]

    @property
    def levels(self) -> dict[float | None, tuple[ExitRow, ...]]:
        """The rows of each level, by its utilization."""
        found: dict = {}
        for row in self.rows:
            found[row.utilization] = (*found.get(row.utilization, ()), row)
        return found

    def draw(self, metric: str, ax=None):
        """The figure of `plot`: against MACs, a curve a level."""
        from keras_tnn.analysis.exit_figure import draw_exits

        return draw_exits(self, metric, ax)

    def __str__(self) -> str:
        return aligned(self.lines(), left=1)

    def lines(self) -> list[list[str]]:
        """The cells that are printed, the header first."""
        level = [] if self.rows[0].utilization is None else ["u"]
        header = ["exit", *level, "MACs", "share", "energy", *self.metric_names]
        return [header, *map(self.cells, self.rows)]

    def cells(self, row: ExitRow) -> list[str]:
        return [
            row.exit,
            *([] if row.utilization is None else [f"{row.utilization:.4g}"]),
            with_unit(row.macs),
            f"{row.share:.3f}",
            with_unit(row.energy, "J"),
            *(f"{row.metrics[name]:.4f}" for name in self.metric_names),
        ]
