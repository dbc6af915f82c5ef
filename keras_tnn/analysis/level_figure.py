"""The figure of a level table: what a metric costs, in utilization and in MACs."""

from keras_tnn.analysis.canvas import BLUE, RUST, blank_figure, in_thousands, tidy


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


def draw_curves(axes, table, metric: str, x: list[float]):
    """The throttled network, and the vanilla one where it was evaluated."""
    if table.has_vanilla:
        vanilla = table.values(metric, vanilla=True)
        axes.plot(x, vanilla, "s--", color=RUST, label="vanilla, cut", clip_on=False)
    axes.plot(x, table.values(metric), "o-", color=BLUE, label="throttled", clip_on=False)
    tidy(axes)
