"""What tables of metrics share: finding a metric in the rows, and drawing it."""

from dataclasses import fields
from os import PathLike
from typing import Any

from keras_tnn.analysis.canvas import saved
from keras_tnn.cost.result_table import ResultTable


class MetricTable(ResultTable):
    """Base of tables whose `rows` have `metrics`. A subclass writes `draw` and `lines`."""

    def records(self) -> list[dict[str, Any]]:
        """Each row's attributes by name, with a value for each metric in the place of `metrics`."""
        return [self.record(row) for row in self.rows]

    def record(self, row) -> dict[str, Any]:
        found = {field.name: getattr(row, field.name) for field in fields(row)}
        metrics = found.pop("metrics")
        return {**found, **metrics}

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics, the loss last."""
        return tuple(sorted(self.rows[0].metrics, key=lambda name: name == "loss"))

    def values(self, metric: str) -> list[float]:
        """One metric over the rows.

        Args:
            metric: its name.

        Raises:
            ValueError: if there is no such metric.
        """
        if metric not in self.metric_names:
            raise ValueError(
                f"Invalid value for `metric`. Expected one of {list(self.metric_names)}. "
                f"Received: metric={metric!r}"
            )
        return [row.metrics[metric] for row in self.rows]

    def plot(self, path: str | PathLike | None = None, metric: str | None = None, *, ax=None):
        """Draws a metric against what it costs.

        Args:
            path: where to save the figure; the ending says the format. Not saved if None.
            metric: its name. Defaults to the first that is not the loss.
            ax: axes of yours to draw on, where the figure has one panel.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ImportError: if matplotlib is not installed.
            ValueError: if there is no such metric, or the figure has several panels and `ax` is
                given.
        """
        return saved(self.draw(self.known(metric), ax), path)

    def known(self, metric: str | None) -> str:
        """A metric's name, by default the first, after checking that the rows have it."""
        metric = metric or self.metric_names[0]
        self.values(metric)
        return metric
