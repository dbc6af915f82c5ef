"""Figures of learned gates: how often they open, how that came about, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_tnn.analysis.canvas import BLUE, GREY, RUST, blank_figure, logarithmic, panels, tidy
from keras_tnn.cost.text_table import with_unit
from keras_tnn.gates import AlwaysOn, Ensemble, Stochastic, Threshold
from keras_tnn.training import ThrottledModel
from keras_tnn.training.gate_activity import POLARIZED

if TYPE_CHECKING:  # the table draws itself with this module
    from keras_tnn.analysis.gating_table import GatingTable

Rates = Mapping[str, np.ndarray]
BINS = np.linspace(0, 1, 21)


def gate_histogram(gates: ThrottledModel | Rates):
    """Draws how many gates open how often (herrmann2019, Figure 9).

    Args:
        gates: a model that was trained or evaluated, whose groups count by the mean of their
            probabilities since then; or rates by name of the gate, such as an entry of
            `fit(...).history["gate_rates"]`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if the model has no learned gates or has not seen data.
        ImportError: if matplotlib is not installed.

    Example:

    >>> figure = gate_histogram({"conv1_open": np.array([0.01, 0.5, 0.98, 1.0])})
    >>> figure.axes[0].get_title(loc="left")
    '4 gates, 75 % polarized'
    """
    of_model = isinstance(gates, keras.Model)
    rates = probabilities(gates) if of_model else np.concatenate([*gates.values()])
    counts, _ = np.histogram(rates, BINS)
    polarized = np.mean((rates < POLARIZED) | (rates > 1 - POLARIZED))
    figure = blank_figure(6, 3.4)
    axes = figure.subplots()
    colors = [BLUE] + [GREY] * (len(counts) - 2) + [BLUE]
    axes.bar(BINS[:-1], counts, width=np.diff(BINS), align="edge", color=colors, edgecolor="white")
    axes.set_title(f"{rates.size} gates, {polarized:.0%} polarized".replace("%", " %"), loc="left")
    axes.set(xlabel="mean probability of being open" if of_model else "activation rate")
    axes.set(ylabel="gates", xlim=(0, 1))
    axes.yaxis.get_major_locator().set_params(integer=True)
    tidy(axes, grid="y")
    return figure


def probabilities(model: keras.Model) -> np.ndarray:
    """The mean probability of each free group over what the model has seen."""
    activity = getattr(model, "activity", None)
    if activity is None:
        raise ValueError(
            "Invalid value for `gates`. Expected a keras_tnn.ThrottledModel with learned gates, "
            f"or rates by name of the gate. Received: '{model.name}', a {type(model).__name__}"
        )
    if not float(activity.samples):
        raise ValueError(
            f"The gates of model '{model.name}' have not seen data. Call `model.fit` or "
            "`model.evaluate` first."
        )
    return keras.ops.convert_to_numpy(activity.expected / activity.samples)


def gate_timeline(history: keras.callbacks.History | Mapping | Sequence[Rates]):
    """Draws the rate of every gate over the epochs (herrmann2019, Figures 24 to 27).

    A row is a group, from the model's input (top) to its output, a column an epoch. What is
    closed is white.

    Args:
        history: what `fit` returned, or its `.history`, or the list "gate_rates" in it, which
            `keras_tnn.callbacks.BatchActivation` fills.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if `history` holds no rates.
        ImportError: if matplotlib is not installed.

    Example:

    >>> epochs = [{"conv1_open": np.array([0.9, 0.9])}, {"conv1_open": np.array([0.1, 1.0])}]
    >>> figure = gate_timeline(epochs)
    >>> figure.axes[0].images[0].get_array().tolist()
    [[0.9, 0.1], [0.9, 1.0]]
    """
    epochs = rates_of(history)
    rates = np.stack([np.concatenate([*one.values()]) for one in epochs], axis=1)  # group, epoch
    sizes = {name: len(of_gate) for name, of_gate in epochs[0].items() if len(of_gate)}
    ends = np.cumsum([*sizes.values()])
    figure = blank_figure(7, min(9.0, max(2.6, 1.2 + 0.24 * len(sizes))))
    axes = figure.subplots()
    picture = axes.imshow(
        rates,
        vmin=0,
        vmax=1,
        cmap="Blues",
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, len(epochs) + 0.5, len(rates), 0),
    )
    axes.hlines(ends[:-1], 0.5, len(epochs) + 0.5, color=GREY, linewidth=0.5)
    every = -(-len(sizes) // 34)  # names that have room
    axes.set_yticks((ends - np.array([*sizes.values()]) / 2)[::every], [*sizes][::every])
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="epoch")
    figure.colorbar(picture, label="activation rate", pad=0.02)
    return figure


def rates_of(history) -> Sequence[Rates]:
    """The rates of each epoch."""
    logs = getattr(history, "history", history)
    epochs = logs.get("gate_rates", []) if isinstance(logs, Mapping) else logs
    if not epochs:
        raise ValueError(
            "Invalid value for `history`. Expected 'gate_rates', the rates of gates for at least "
            "one epoch, as `fit` with keras_tnn.callbacks.BatchActivation returns them. "
            f"Received: {sorted(logs) if isinstance(logs, Mapping) else logs!r}"
        )
    return epochs


def gating_figure(table: GatingTable, metric: str | None = None, ax=None):
    """Draws a metric against MACs for each way of inference (herrmann2019, Figure 10).

    Thresholds are a curve with tau beside each point. An ensemble is a line across: its MACs,
    those of all runs, stand in the legend. Where MACs are unknown, activation rates take their
    place.

    Args:
        table: what `evaluate_gating` returned.
        metric: name of one of its metrics. Defaults to the first that is not the loss.
        ax: axes of yours to draw on, such as those of `level_figure(table, ax=ax)`: the axis of
            MACs is the same.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there is no such metric.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    table = keras_tnn.analysis.evaluate_gating(model, x_test, y_test)
    keras_tnn.analysis.gating_figure(table).savefig("thresholds.png")
    ```
    """
    metric = metric or table.metric_names[0]
    table.values(metric)  # the metric is known
    figure, (axes,) = panels(1, ax, 6.4, 4)

    def rows(kind: type) -> list:
        return [row for row in table.rows if isinstance(row.gating, kind)]

    def place(row) -> tuple[float, float]:
        x = row.activation_rate if row.macs is None else row.macs
        return x, row.metrics[metric]

    if thresholds := rows(Threshold):
        axes.plot(*zip(*map(place, thresholds), strict=True), "o-", color=BLUE, label="threshold τ")
        for point, text in threshold_labels(thresholds, place).items():
            where = {"textcoords": "offset points", "ha": "right"}
            axes.annotate(text, point, (-5, 5), fontsize=8, color=BLUE, **where)
    for row in rows(Stochastic):
        error = row.deviations[metric] if row.deviations else None
        axes.errorbar(*place(row), error, fmt="s", color=RUST, capsize=3, label="stochastic")
    for row in rows(AlwaysOn):
        axes.plot(*place(row), "D", color="black", label="always on")
    for row in rows(Ensemble):
        cost = "" if row.macs is None else f" ({with_unit(row.macs)} MACs)"
        label = f"{row.gating}{cost}"
        axes.axhline(row.metrics[metric], color=RUST, linestyle="--", linewidth=1, label=label)
    unknown = table.unknown_cost is not None
    axes.set(xlabel="activation rate" if unknown else "multiply-accumulates per sample (MACs)")
    axes.set(ylabel=metric.replace("_", " "))
    axes.margins(x=0.1)  # room for the first tau
    if not unknown:
        logarithmic(axes)
    if table.samples and not axes.get_title(loc="left"):
        axes.set_title(f"{table.samples:,} samples", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=8)
    tidy(axes)
    return figure


def threshold_labels(rows, place) -> dict[tuple[float, float], str]:
    """The text at each point: where gates are polarized, many thresholds make one network."""
    taus = {}
    for row in rows:
        taus.setdefault(place(row), []).append(row.gating.tau)
    return {
        point: f"{min(at):g}" if len(at) == 1 else f"{min(at):g} to {max(at):g}"
        for point, at in taus.items()
    }
