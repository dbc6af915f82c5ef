"""Evaluating all ways to run a model with learned gates (herrmann2019, 3.3)."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from keras_tnn.analysis.evaluate_levels import samples_in
from keras_tnn.analysis.gating_table import GatingRow, GatingTable
from keras_tnn.analysis.progress_bar import progress_bar
from keras_tnn.cost.gated_cost import GatedCost
from keras_tnn.gates import AlwaysOn, Ensemble, Stochastic, Threshold
from keras_tnn.gates.inference import Inference
from keras_tnn.losses.complexity import MacsShare
from keras_tnn.training import ThrottledModel
from keras_tnn.training.controls_gates import check_learned_gates
from keras_tnn.training.statistics import normalizations

ACTIVITY = ("share", "activation_rate", "polarization")


def evaluate_gating(
    model: ThrottledModel,
    x: Any,
    y: Any = None,
    thresholds: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    *,
    runs: int = 5,
    utilization: float = 1.0,
    calibration_data: Any = None,
    batch_size: int | None = None,
    verbose: bool | None = None,
) -> GatingTable:
    """Evaluates a model by every way in which its learned gates may decide.

    The ways: each threshold, gates that are drawn for each sample, all gates open, and an
    ensemble of runs. MACs and metrics come from the same forward passes.

    Args:
        model: compiled `keras_tnn.ThrottledModel` with learned gates.
        x: test data without utilization: arrays, a `tf.data.Dataset` or a
            `keras.utils.PyDataset`. Read `len(thresholds) + runs + 2` times.
        y: labels, where `x` is arrays.
        thresholds: each tau in (0, 1); may be empty.
        runs: Integer, how many evaluations give the mean and the standard deviation of drawn
            gates, and how many outputs the ensemble averages; 5 in the paper.
        utilization: float in (0, 1], for gates that depend on it.
        calibration_data: training inputs by which the batch-norm statistics are estimated anew
            for each way, as `keras_tnn.surgery.recalibrate` takes them; afterwards they are as
            before.
        batch_size: samples a batch, as for `keras.Model.evaluate`.
        verbose: whether to show a progress bar over the evaluations. None on a terminal or in a
            notebook only.

    Returns:
        `GatingTable`: per way MACs, activation rate, polarization and metrics.

    Raises:
        ValueError: if a threshold or `runs` is out of range, the model is not compiled or has no
            learned gates, or `x` can be read only once.

    Example:

    >>> image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    >>> open_groups = keras_tnn.gates.DataIndependent(4, min_groups=1, open_probability=0.6)(u)
    >>> x = keras.layers.Dense(8)(image)  # 32 MACs with four groups, 8 with one
    >>> x = keras_tnn.layers.ChannelGate(num_groups=4)([x, open_groups])
    >>> model = keras_tnn.ThrottledModel([image, u], keras.layers.Dense(2)(x))  # 16 or 4
    >>> model.compile(loss="mse")
    >>> x, y = np.zeros((3, 4)), np.zeros((3, 2))
    >>> table = evaluate_gating(model, x, y, thresholds=(0.5, 0.7), verbose=False)
    >>> [(str(row.gating), row.macs) for row in table.rows if row.gating != Stochastic()][:3]
    [('threshold 0.5', 48.0), ('threshold 0.7', 12.0), ('always on', 48.0)]
    """
    check_model(model)
    if isinstance(x, Iterator):
        raise ValueError(
            "Invalid value for `x`. Expected arrays, a tf.data.Dataset or a PyDataset, which can "
            f"be read once an evaluation. Received: {type(x).__name__}"
        )
    if calibration_data is None:
        warn_of_drawn_gates(model)
    ways = [*map(Threshold, thresholds), Stochastic(), AlwaysOn(), Ensemble(runs)]
    share, unknown_cost = share_of(model)
    repeats = [runs if isinstance(way, Stochastic) else 1 for way in ways]
    bar = progress_bar(sum(repeats), "evaluation", verbose)

    def evaluate(way: Inference) -> dict[str, float]:
        found = model.evaluate(
            x,
            y,
            batch_size=batch_size,
            verbose=0,
            return_dict=True,
            utilization=utilization,
            gating=way,
            calibration_data=calibration_data,
        )
        bar.add(1)
        return {**found, "share": spent(way, found["share"], share.cost)} if share else found

    with counting(model, share):
        found = [[evaluate(way) for _ in range(n)] for way, n in zip(ways, repeats, strict=True)]
    whole = share.cost.ungated if share else None
    rows = tuple(summary(way, of_way, whole) for way, of_way in zip(ways, found, strict=True))
    return GatingTable(rows, unknown_cost, samples_in(x))


def check_model(model):
    check_learned_gates(model, "Invalid value for `model`. Expected")
    if not model.compiled:
        raise ValueError(
            f"Model '{model.name}' is not compiled, so there is nothing to measure. Call "
            "`model.compile(loss=..., metrics=...)` first."
        )


def share_of(model: keras.Model) -> tuple[MacsShare | None, str | None]:
    """What the gates leave of the model's MACs, or else why it is unknown."""
    try:
        return MacsShare(model), None
    except ValueError as error:
        return None, str(error)


@contextmanager
def counting(model: ThrottledModel, share: MacsShare | None) -> Iterator[None]:
    """Within it the model's evaluations also give the mean share of its MACs."""
    model.activity.complexity = share
    model.test_function = None
    try:
        yield
    finally:
        model.activity.complexity = None
        model.test_function = None


def warn_of_drawn_gates(model: ThrottledModel):
    if normalizations(model):
        warnings.warn(
            f"Model '{model.name}' has BatchNormalization and `calibration_data` is None. Its "
            "statistics are those of the gates that training drew; where gates decide otherwise, "
            "accuracy can fall to chance. Pass about a thousand training inputs as "
            "`calibration_data`.",
            UserWarning,
            stacklevel=3,
        )


def spent(way: Inference, share: float, cost: GatedCost) -> float:
    """The share that a way of inference costs, from that of one forward pass with its gates."""
    if isinstance(way, Ensemble):
        return way.runs * share
    # Where all gates are open none is computed: they can be removed (herrmann2019, 3.3).
    return share - cost.gates.whole / cost.ungated if isinstance(way, AlwaysOn) else share


def summary(way: Inference, found: list[dict[str, float]], whole: float | None) -> GatingRow:
    """The row of one or several evaluations.

    Args:
        way: how gates decided.
        found: results of each evaluation.
        whole: MACs of the network without gates, or None if they are unknown.
    """
    mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    deviations = None
    if len(found) > 1:
        deviations = {n: float(np.std([one[n] for one in found], ddof=1)) for n in found[0]}
    return GatingRow(
        gating=way,
        macs=None if whole is None else whole * mean["share"],
        share=mean.get("share"),
        activation_rate=mean["activation_rate"],
        polarization=mean["polarization"],
        metrics={name: value for name, value in mean.items() if name not in ACTIVITY},
        deviations=deviations,
    )
