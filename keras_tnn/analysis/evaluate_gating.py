"""Evaluating all ways to run a model with learned gates (herrmann2019, 3.3)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from keras_tnn.analysis.gating_table import GatingRow, GatingTable
from keras_tnn.gates import AlwaysOn, Decision, Ensemble, Stochastic, Threshold, record_decisions
from keras_tnn.gates.inference import Inference
from keras_tnn.losses.complexity import MacsShare
from keras_tnn.training import ThrottledModel

ACTIVITY = ("share", "activation_rate", "polarization")


def evaluate_gating(
    model: ThrottledModel,
    x: Any,
    y: Any = None,
    thresholds: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    *,
    runs: int = 5,
    utilization: float = 1.0,
    batch_size: int | None = None,
    verbose: bool = True,
) -> GatingTable:
    """Evaluates a model by every way in which its learned gates may decide.

    The ways: each threshold, gates that are drawn for each sample, all gates open, and an
    ensemble of runs. MACs and metrics come from the same forward passes, which run eagerly.

    Args:
        model: compiled `keras_tnn.ThrottledModel` with learned gates.
        x: test data without utilization: arrays, a `tf.data.Dataset` or a
            `keras.utils.PyDataset`. Read `len(thresholds) + runs + 2` times.
        y: labels, where `x` is arrays.
        thresholds: each tau in (0, 1); may be empty.
        runs: Integer, how many evaluations give the mean and the standard deviation of drawn
            gates, and how many outputs the ensemble averages; 5 in the paper.
        utilization: float in (0, 1], for gates that depend on it.
        batch_size: samples a batch, as for `keras.Model.evaluate`.
        verbose: whether to show a progress bar over the evaluations.

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
    ways = [*map(Threshold, thresholds), Stochastic(), AlwaysOn(), Ensemble(runs)]
    share, unknown_cost = share_of(model)
    repeats = [runs if isinstance(way, Stochastic) else 1 for way in ways]
    progress = keras.utils.Progbar(sum(repeats), unit_name="evaluation", verbose=int(verbose))

    def evaluate(way: Inference) -> dict[str, float]:
        with record_decisions() as decisions:
            meter = MacsMeter(share, decisions, way)
            found = model.evaluate(
                x,
                y,
                batch_size=batch_size,
                verbose=0,
                callbacks=[meter],
                return_dict=True,
                utilization=utilization,
                gating=way,
            )
        progress.add(1)
        return {**found, "share": meter.mean}

    with eagerly(model):
        found = [[evaluate(way) for _ in range(n)] for way, n in zip(ways, repeats, strict=True)]
    whole = share.cost.ungated if share else None
    rows = tuple(summary(way, of_way, whole) for way, of_way in zip(ways, found, strict=True))
    return GatingTable(rows, unknown_cost)


def check_model(model):
    if not isinstance(model, ThrottledModel) or not model.learned_gates:
        raise ValueError(
            "Invalid value for `model`. Expected a keras_tnn.ThrottledModel with learned gates, "
            "such as keras_tnn.throttle(model, gate=keras_tnn.gates.DataIndependent). "
            f"Received: '{model.name}', a {type(model).__name__}"
        )
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
def eagerly(model: keras.Model) -> Iterator[None]:
    """Within it, the model runs one batch a call, and what its gates chose is numbers."""
    before = model.run_eagerly, model.steps_per_execution
    model.run_eagerly, model.steps_per_execution = True, 1
    model.test_function = None
    try:
        yield
    finally:
        model.run_eagerly, model.steps_per_execution = before
        model.test_function = None


class MacsMeter(keras.callbacks.Callback):
    """Reads after each batch what the network cost.

    Args:
        share: the network's MACs as a share, or None if they are unknown.
        decisions: the list that the gates write to; it is emptied.
        way: how they decide.
    """

    def __init__(self, share: MacsShare | None, decisions: list[Decision], way: Inference):
        super().__init__()
        self.share, self.decisions = share, decisions
        self.passes = way.runs if isinstance(way, Ensemble) else 1
        # Where all gates are open none is computed: they can be removed (herrmann2019, 3.3).
        removed = share is not None and isinstance(way, AlwaysOn)
        self.saved = share.cost.gates.whole / share.cost.ungated if removed else 0.0
        self.total, self.samples = 0.0, 0

    def on_test_batch_end(self, batch, logs=None):
        each = len(self.decisions) // self.passes
        for start in range(0, len(self.decisions) if self.share else 0, each):
            shares = self.share(self.decisions[start : start + each])  # (batch, 1)
            self.total += float(keras.ops.sum(shares))
            self.samples += shares.shape[0]
        self.decisions.clear()

    @property
    def mean(self) -> float:
        """Mean share of a sample, of all passes together; not a number if it is unknown."""
        if not self.share:
            return float("nan")
        return self.passes * self.total / self.samples - self.saved


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
        share=None if whole is None else mean["share"],
        activation_rate=mean["activation_rate"],
        polarization=mean["polarization"],
        metrics={name: value for name, value in mean.items() if name not in ACTIVITY},
        deviations=deviations,
    )
