"""The figure of levels: a metric against what it costs, in u, MACs, milliseconds and bytes."""

from collections.abc import Mapping, Sequence
from os import PathLike

from keras_tnn.analysis.canvas import (
    BLUE,
    GREY,
    RUST,
    logarithmic,
    panels,
    saved,
    tidy,
)

# What is not known of any level has no panel.
COSTS = {
    "utilization": "utilization u",
    "macs": "multiply-accumulates per sample (MACs)",
    "milliseconds": "milliseconds per sample",
    "bytes": "bytes of the level",
}


def level_figure(
    table,
    metric: str = "accuracy",
    path: str | PathLike | None = None,
    *,
    against: str | Sequence[str] | None = None,
    baseline: Mapping[float, float] | None = None,
    data: str | None = None,
    label: str | None = None,
    ax=None,
):
    """Draws a metric of levels against each of their costs, in a panel of its own.

    MACs, milliseconds and bytes have logarithmic axes, and u stands beside each point. The title
    says on how many samples, and a dotted line what guessing gives, where the table knows.

    Args:
        table: `LevelTable`, `tnn_tflite.BundleTable`, or a dictionary of their columns.
        metric: name of a column. A column "vanilla_<metric>" is a second curve.
        path: where to save the figure; the ending says the format. Not saved if None.
        against: one or some of "utilization", "macs", "milliseconds" and "bytes". Defaults to all
            that are known; with `ax` to "macs".
        baseline: by utilization the metric of a plain network of that level's size which was
            trained alone: the honest measure of a dial.
        data: name of the data set, for the title.
        label: of the curve.
        ax: axes of yours to draw on, of one panel. Other tables may be drawn on them, too.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if there is no such column, or `baseline` names a level that is not there.

    Example:

    ```python
    table = keras_tnn.evaluate_levels(model, x_test, y_test)
    alone = {0.5: 0.71, 1.0: 0.74}
    keras_tnn.analysis.level_figure(table, "accuracy", "levels.png", baseline=alone)
    ```
    """
    columns = levels_only(table.to_dict() if hasattr(table, "to_dict") else dict(table))
    costs = wanted_costs(columns, metric, "macs" if ax is not None and against is None else against)
    if baseline is not None and not set(baseline) <= set(columns["utilization"]):
        raise ValueError(
            f"Invalid value for `baseline`. Expected levels of {columns['utilization']}. "
            f"Received: {list(baseline)}"
        )
    figure, axes = panels(len(costs), ax)
    for one, cost in zip(axes, costs, strict=True):
        draw_panel(one, columns, metric, cost, baseline, label)
    for one in axes[:: 2 if len(axes) == 4 else len(axes)]:
        one.set_ylabel(metric.replace("_", " "))
    if len(axes[0].get_legend_handles_labels()[1]) > 1:
        axes[0].legend(frameon=False, loc="best", reverse=True, fontsize=8)
    if title := title_of(columns, data):
        axes[0].set_title(title, fontsize=9, loc="left")
    return saved(figure, path)


def levels_only(columns: dict) -> dict:
    """Without the row of a controller, which has no utilization."""
    kept = [i for i, u in enumerate(columns.get("utilization", ())) if u is not None]
    return {name: [values[i] for i in kept] for name, values in columns.items()}


def wanted_costs(columns: dict, metric: str, against) -> list[str]:
    known = [name for name in COSTS if None not in columns.get(name, [None])]
    wanted = known if against is None else [against] if isinstance(against, str) else [*against]
    if metric not in columns:
        raise ValueError(
            f"Invalid value for `metric`. Expected one of {list(columns)}. "
            f"Received: metric={metric!r}"
        )
    if not wanted or not set(wanted) <= set(known):
        raise ValueError(
            f"Invalid value for `against`. Expected some of {known}, which the table knows. "
            f"Received: against={against!r}"
        )
    return wanted


def draw_panel(axes, columns: dict, metric: str, cost: str, baseline, label: str | None):
    x, u = columns[cost], columns["utilization"]
    vanilla = columns.get(f"vanilla_{metric}")
    if vanilla:
        axes.plot(x, vanilla, "s--", color=RUST, label="vanilla, cut", clip_on=False)
    if baseline:
        costs = dict(zip(u, x, strict=True))
        places = [costs[level] for level in baseline]
        axes.plot(places, list(baseline.values()), "D:", color=GREY, label="each size alone")
    # Beside other tables on axes of the caller's, each curve has a colour of its own.
    colour = f"C{2 + len(axes.get_lines())}" if label else BLUE
    name = label or ("throttled" if vanilla or baseline else "levels")
    axes.plot(x, columns[metric], "o-", color=colour, label=name, clip_on=False)
    chance = columns.get("chance", [None])[0]
    if chance is not None and "accuracy" in metric and "top" not in metric:
        axes.axhline(chance, color=GREY, linestyle=":", linewidth=1, label="chance")
    axes.set(xlabel=COSTS[cost])
    if cost == "utilization":
        axes.set_xlim(0, 1.03)
    else:
        logarithmic(axes, prefixes=cost != "milliseconds")
        for level, place, value in zip(u, x, columns[metric], strict=True):
            axes.annotate(
                f"{level:.4g}",
                (place, value),
                (5, -10),
                textcoords="offset points",
                fontsize=7,
                color=colour,
            )
    tidy(axes)


def title_of(columns: dict, data: str | None) -> str:
    samples = columns.get("samples", [None])[0]
    return ", ".join(filter(None, [data, f"{samples:,} samples" if samples else None]))
