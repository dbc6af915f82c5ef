"""Figures of who chooses which level, and of what classes need (liu2022, Fig. 7 and 8)."""

from collections.abc import Sequence
from os import PathLike

import numpy as np

from keras_tnn.analysis.canvas import BLUE, GREY, RUST, blank_figure, panels, saved, tidy
from keras_tnn.analysis.outcomes import Outcomes


def choices_figure(table, ax=None):
    """A `ChoicesTable`: accuracy against mean MACs (Fig. 8a)."""
    figure, (axes,) = panels(1, ax, 6, 4)
    outcomes = table.outcomes
    axes.plot(outcomes.shares, outcomes.accuracy, "o-", color=GREY, label="fixed u")
    for u, x, y in zip(outcomes.levels, outcomes.shares, outcomes.accuracy, strict=True):
        axes.annotate(f"{u:.4g}", (x, y), (4, -10), textcoords="offset points", fontsize=8)
    rows = [
        ("escalation", table.escalated, RUST, "s"),
        ("controller", table.controllers, BLUE, "D"),
    ]
    for label, choices, colour, marker in [*rows, ("oracle", [table.oracle], "black", "*")]:
        x, y = [one.mean_cost for one in choices], [one.accuracy for one in choices]
        axes.plot(x, y, marker, color=colour, label=label, linestyle="none", clip_on=False)
    axes.set(xlabel="mean MACs over those of u = 1", ylabel="accuracy")
    axes.set_xlim(left=0)
    axes.set_title(f"{len(outcomes.labels):,} samples", fontsize=9)
    axes.legend(frameon=False)
    tidy(axes)
    return figure


def levels_figure(table, ax=None):
    """A `ChoicesTable`: the share of samples that each level answered (Fig. 8b)."""
    figure, (axes,) = panels(1, ax, 6, 3.4)
    levels = table.outcomes.levels
    shown = [*table.controllers, table.oracle]
    width = 0.8 / len(shown)
    for index, one in enumerate(shown):
        places = np.arange(len(levels)) + (index - (len(shown) - 1) / 2) * width
        colour = GREY if one is table.oracle else None
        axes.bar(places, one.distribution(len(levels)), width, label=one.name, color=colour)
    axes.set_xticks(range(len(levels)), [f"{u:.4g}" for u in levels])
    axes.set(xlabel="utilization u", ylabel="share of samples")
    axes.legend(frameon=False)
    tidy(axes, grid="y")
    return figure


def class_figure(
    outcomes: Outcomes,
    class_names: Sequence[str] | None = None,
    path: str | PathLike | None = None,
):
    """Accuracy of each class against u (liu2022, Fig. 7); the first panel shows all classes.

    Args:
        outcomes: as `level_outcomes` gives them.
        class_names: of the C classes; their numbers by default.
        path: where to save the figure; the ending says the format. Not saved if None.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if there is not one name for each class.
    """
    accuracy = outcomes.class_accuracy()
    names = [str(i) for i in range(len(accuracy))] if class_names is None else [*class_names]
    if len(names) != len(accuracy):
        raise ValueError(
            f"Invalid value for `class_names`. Expected {len(accuracy)} names. "
            f"Received: {len(names)}"
        )
    columns = min(5, len(names) + 1)
    rows = -(-(len(names) + 1) // columns)
    figure = blank_figure(2 * columns, 1.7 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    curves = zip(["all classes", *names], [outcomes.accuracy, *accuracy], strict=True)
    for axes, (name, values) in zip(panels, curves, strict=False):
        axes.plot(outcomes.levels, values, "o-", markersize=3, color=BLUE, clip_on=False)
        axes.set_title(name, fontsize=9)
        axes.set(xlim=(0, 1.03), ylim=(0, 1))
        tidy(axes)
    for axes in panels[len(names) + 1 :]:
        axes.set_axis_off()
    figure.supxlabel("utilization u", fontsize=9)
    figure.supylabel("accuracy", fontsize=9)
    return saved(figure, path)
