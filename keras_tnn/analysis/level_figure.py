"""The figure of a level table: what a metric costs, in utilization and in MACs."""

THROTTLED, VANILLA = "#1b5e9b", "#b4552d"


def draw_levels(table, metric: str):
    """Draws a level table: a metric against u (left) and against MACs (right).

    The figure has a canvas of its own: no display is needed and no global state is touched.

    Args:
        table: `keras_tnn.analysis.LevelTable`.
        metric: name of one of its metrics.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import EngFormatter
    except ImportError as error:
        raise ImportError(
            "Drawing a level table needs matplotlib. Install it with: pip install keras-tnn[plot]"
        ) from error

    figure = Figure(figsize=(9, 3.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    against_u, against_macs = figure.subplots(1, 2, sharey=True)
    draw_curves(against_u, table, metric, [row.utilization for row in table.rows])
    draw_curves(against_macs, table, metric, [row.macs for row in table.rows])
    against_u.set(xlabel="utilization u", ylabel=metric.replace("_", " "), xlim=(0, 1.03))
    against_macs.set(xlabel="multiply-accumulates per sample (MACs)")
    against_macs.set_xlim(left=0)
    against_macs.xaxis.set_major_formatter(EngFormatter())
    if table.has_vanilla:
        against_u.legend(frameon=False, loc="best", reverse=True)
    return figure


def draw_curves(axes, table, metric: str, x: list[float]):
    """The throttled network, and the vanilla one where it was evaluated."""
    if table.has_vanilla:
        vanilla = table.values(metric, vanilla=True)
        axes.plot(x, vanilla, "s--", color=VANILLA, label="vanilla, cut", clip_on=False)
    axes.plot(x, table.values(metric), "o-", color=THROTTLED, label="throttled", clip_on=False)
    axes.grid(color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
