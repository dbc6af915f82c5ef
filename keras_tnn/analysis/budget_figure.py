"""The figure of a budget table: a metric, and what it takes, against the budget."""

from keras_tnn.analysis.canvas import BLUE, GREY, blank_figure, in_thousands, tidy


def draw_budgets(table, metric: str, ax=None):
    """Draws a budget table as chen2020 (Figures 3 and 4): a chart for each thing that is taken.

    Args:
        table: `keras_tnn.analysis.BudgetTable`.
        metric: name of one of its metrics, a line in every chart.
        ax: None, as there are several charts.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if `ax` is given.
    """
    taken = {"usage": "open components", "macs": "MACs", "policies": "unique policies"}
    if table.rows[0].milliseconds is not None:
        taken["milliseconds"] = "inference time, ms"
    if ax is not None:
        raise ValueError(
            f"Invalid value for `ax`. Expected None for {len(taken)} panels. Received: ax={ax!r}"
        )
    figure = blank_figure(3.6 * len(taken), 3.4)
    figure.get_layout_engine().set(wspace=0.06)  # between the scale of one and the name of the next
    budgets = [row.budget for row in table.rows]
    for axes, (name, label) in zip(figure.subplots(1, len(taken)), taken.items(), strict=True):
        values = [getattr(row, name) for row in table.rows]
        axes.bar(budgets, values, width=0.06, color=GREY)
        axes.set(xlabel="budget c", ylabel=label, xlim=(0, 1.06))
        if name == "macs":
            in_thousands(axes.yaxis)
        tidy(axes, grid="y")
        right = axes.twinx()
        right.plot(budgets, table.values(metric), "o-", color=BLUE)
        right.tick_params(axis="y", colors=BLUE)
        right.spines[["top", "left"]].set_visible(False)
    right.set_ylabel(metric.replace("_", " "), color=BLUE)
    return figure
