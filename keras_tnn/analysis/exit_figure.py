"""The figure of an exit table: what a metric costs in MACs, exit after exit."""

from keras_tnn.analysis.canvas import BLUE, logarithmic, panels, tidy


def draw_exits(table, metric: str, ax=None):
    """Draws an exit table: a metric against MACs, a curve through the exits of each level.

    Args:
        table: `keras_tnn.analysis.ExitTable`.
        metric: name of one of its metrics.
        ax: axes to draw on, or None.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    figure, (axes,) = panels(1, ax, 6, 4)
    for u, rows in table.levels.items():
        x, y = [row.macs for row in rows], [row.metrics[metric] for row in rows]
        colour = {"color": BLUE} if u is None else {"label": f"u={u:.4g}"}
        axes.plot(x, y, "o-", clip_on=False, **colour)
    for row in table.levels[table.rows[-1].utilization]:
        place = (row.macs, row.metrics[metric])
        axes.annotate(row.exit, place, (4, -10), textcoords="offset points", fontsize=8)
    axes.set(xlabel="multiply-accumulates per sample (MACs)", ylabel=metric.replace("_", " "))
    logarithmic(axes)
    if len(table.levels) > 1:
        axes.legend(frameon=False, reverse=True)
    tidy(axes)
    return figure
