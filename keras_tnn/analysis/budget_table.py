"""The budget table: what a model with a budget policy does with each budget."""

from dataclasses import dataclass

from keras_tnn.analysis.metric_table import MetricTable
from keras_tnn.cost.text_table import aligned, with_unit


@dataclass(frozen=True)
class BudgetRow:
    """One budget.

    Attributes:
        budget: c in (0, 1], as it was asked for.
        usage: mean share of the components that are open.
        macs: mean multiply-accumulates of a sample, the policy's own included.
        share: the same as a share of the network without the policy.
        largest_share: that of the most costly sample.
        policies: how many different sets of open components there are among the samples.
        metrics: name to value, the loss included, as `evaluate` returns them.
        milliseconds: median inference time of a sample by itself, or None.
    """

    budget: float
    usage: float
    macs: float
    share: float
    largest_share: float
    policies: int
    metrics: dict[str, float]
    milliseconds: float | None = None


@dataclass(frozen=True)
class BudgetTable(MetricTable):
    """Rows for rising budgets (chen2020, Figures 3 and 4, Table 2). `print(table)` shows them.

    Attributes:
        rows: tuple of `BudgetRow`.
    """

    rows: tuple[BudgetRow, ...]

    def draw(self, metric: str, ax=None):
        """The figure of `plot`: the metric and what it takes, against the budget."""
        from keras_tnn.analysis.budget_figure import draw_budgets

        return draw_budgets(self, metric, ax)

    def __str__(self) -> str:
        return aligned(self.lines())

    def lines(self) -> list[list[str]]:
        """The cells that are printed, the header first."""
        timed = ["ms"] if self.rows[0].milliseconds is not None else []
        names = ["budget", "usage", "MACs", "share", "largest", "policies"]
        return [[*names, *timed, *self.metric_names], *map(self.cells, self.rows)]

    def cells(self, row: BudgetRow) -> list[str]:
        timed = [] if row.milliseconds is None else [f"{row.milliseconds:.3f}"]
        return [
            f"{row.budget:g}",
            f"{row.usage:.3f}",
            with_unit(row.macs),
            f"{row.share:.3f}",
            f"{row.largest_share:.3f}",
            str(row.policies),
            *timed,
            *(f"{row.metrics[name]:.4f}" for name in self.metric_names),
        ]
