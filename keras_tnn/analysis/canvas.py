"""The canvas that all figures of this room are drawn on."""

from os import PathLike

BLUE, RUST, GREY = "#1b5e9b", "#b4552d", "#8a8a8a"


def blank_figure(width: float, height: float):
    """An empty figure with a canvas of its own: no display is needed, no global state touched.

    Args:
        width: inches.
        height: inches.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib. Install it with: pip install keras-tnn[plot]"
        ) from error
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes, grid: str = "both"):
    """Light lines behind the curves, no box around them."""
    axes.grid(axis=grid, color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def in_thousands(axis):
    """Ticks such as 20 M in place of 2e7."""
    from matplotlib.ticker import EngFormatter

    axis.set_major_formatter(EngFormatter())


def saved(figure, path: str | PathLike | None):
    """The figure, saved if there is a path."""
    if path is not None:
        figure.savefig(path)
    return figure
