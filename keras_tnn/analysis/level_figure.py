"""The figure of a level table: what a metric costs, in utilization and in MACs."""

from collections.abc import Mapping, Sequence

from keras_tnn.analysis.canvas import BLUE, RUST, blank_figure, in_thousands, tidy

COSTS = {
    "utilization": "utilization u",
    "macs": "multiply-accumulates per sample (MACs)",
    "milliseconds": "milliseconds per sample",
    "bytes": "bytes of the file",
}


def draw_levels(table, metric: str):
    """Draws a level table: a metric against u (left) and against MACs (right).

    Args:
        table: `keras_tnn.analysis.LevelTable`.
        metric: name of one of its metrics.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    figure = blank_figure(9, 3.6)
    against_u, against_macs = figure.subplots(1, 2, sharey=True)
    draw_curves(against_u, table, metric, [row.utilization for row in table.rows])
    draw_curves(against_macs, table, metric, [row.macs for row in table.rows])
    against_u.set(xlabel="utilization u", ylabel=metric.replace("_", " "), xlim=(0, 1.03))
    against_macs.set(xlabel="multiply-accumulates per sample (MACs)")
    against_macs.set_xlim(left=0)
    in_thousands(against_macs.xaxis)
    if table.has_vanilla:
        against_u.legend(frameon=False, loc="best", reverse=True)
    return figure


def draw_columns(columns: Mapping[str, Sequence[float]], metric: str):
    """Draws a metric against all that it costs, each in axes of its own.

    Args:
        columns: `table.to_dict()` of levels, with "utilization" and some of `COSTS`.
        metric: name of a column, and of its curve.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if there is no such column, or none of costs.
    """
    costs = [name for name in COSTS if name in columns]
    if metric not in columns or not costs:
        raise ValueError(
            f"Invalid value for `metric`. Expected a column beside some of {', '.join(COSTS)}. "
            f"Received: metric={metric!r}, columns {', '.join(columns)}"
        )
    figure = blank_figure(4.5 * len(costs), 3.6)
    for axes, cost in zip(
        figure.subplots(1, len(costs), sharey=True, squeeze=False)[0], costs, strict=True
    ):
        axes.plot(columns[cost], columns[metric], "o-", color=BLUE, clip_on=False)
        axes.set(xlabel=COSTS[cost])
        tidy(axes)
    figure.axes[0].set_ylabel(metric.replace("_", " "))
    return figure


def draw_curves(axes, table, metric: str, x: list[float]):
    """The throttled network, and the vanilla one where it was evaluated."""
    if table.has_vanilla:
        vanilla = table.values(metric, vanilla=True)
        axes.plot(x, vanilla, "s--", color=RUST, label="vanilla, cut", clip_on=False)
    axes.plot(x, table.values(metric), "o-", color=BLUE, label="throttled", clip_on=False)
    tidy(axes)
