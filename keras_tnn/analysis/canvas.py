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


def panels(count: int, ax=None, width: float = 4.5, height: float = 3.6):
    """A figure and its axes with one scale of values, four in two rows; or the axes given.

    Args:
        count: how many.
        ax: axes to draw on in the place of new ones; for one panel only.
        width: inches of each.
        height: inches.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if `ax` is given for several panels.
    """
    if ax is None:
        columns = count if count < 4 else 2
        rows = -(-count // columns)
        figure = blank_figure(width * columns, height * rows)
        every = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
        return figure, list(every[:count])
    if count != 1:
        raise ValueError(
            f"Invalid value for `ax`. Expected None for {count} panels. Received: ax={ax!r}"
        )
    return ax.figure, [ax]


def logarithmic(axes, prefixes: bool = True):
    """A logarithmic x axis with ticks at 1, 2 and 5 of each power of ten.

    Args:
        axes: whose x axis.
        prefixes: whether ticks are such as 20 M; else plain numbers.
    """
    from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_major_formatter(EngFormatter() if prefixes else plain)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.1)  # room for what stands beside the last point


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
