"""Evaluating a model with a budget policy at several budgets (chen2020, Figures 3 and 4)."""

import time
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_tnn.analysis.budget_table import BudgetRow, BudgetTable
from keras_tnn.losses import MacsShare
from keras_tnn.surgery import conditional
from keras_tnn.surgery.recalibrate import batches_of
from keras_tnn.training import ThrottledModel
from keras_tnn.training.budget_calibration import policy_of
from keras_tnn.utilization import check_levels

ACTIVITY = ("activation_rate", "polarization")


def evaluate_budgets(
    model: ThrottledModel,
    x: Any,
    y: Any = None,
    budgets=(0.2, 0.4, 0.6, 0.8, 1.0),
    *,
    timed: int = 0,
    batch_size: int = 256,
) -> BudgetTable:
    """Evaluates a model with a `BudgetPolicy` at several budgets.

    Args:
        model: compiled `keras_tnn.ThrottledModel` whose only gate is a `BudgetPolicy`.
        x: test data without utilization, as `keras_tnn.surgery.recalibrate` takes it.
        y: labels, where `x` is arrays.
        budgets: rising floats in (0, 1].
        timed: how many samples are run one by one, to measure the time that one takes in a
            network that skips what is closed (`keras_tnn.surgery.conditional`). The median counts.
        batch_size: samples a batch, where `x` is arrays.

    Returns:
        `BudgetTable`: per budget usage, MACs, number of unique policies and metrics.

    Raises:
        ValueError: if a budget is not in (0, 1], or the model has another gate or no policy.

    Example:

    ```python
    table = keras_tnn.analysis.evaluate_budgets(model, x_test, y_test, timed=100)
    print(table)
    table.plot("budgets.png")
    ```
    """
    budgets = check_levels(budgets, "budgets")
    policy, share = policy_of(model), MacsShare(model)

    def row(budget: float) -> BudgetRow:
        opened = open_components(model, policy, x, budget, batch_size)
        shares = ops.convert_to_numpy(share.measure(opened))
        size = batch_size if hasattr(x, "shape") else None
        metrics = model.evaluate(
            x, y, batch_size=size, verbose=0, return_dict=True, utilization=budget
        )
        return BudgetRow(
            budget=budget,
            usage=float(opened[:, policy.free].mean()),
            macs=float(shares.mean()) * share.cost.ungated,
            share=float(shares.mean()),
            largest_share=float(shares.max()),
            policies=len(np.unique(opened, axis=0)),
            metrics={name: value for name, value in metrics.items() if name not in ACTIVITY},
            milliseconds=milliseconds(model, x, budget, timed) if timed else None,
        )

    return BudgetTable(tuple(map(row, budgets)))


def open_components(model, policy, x, budget: float, batch_size: int) -> np.ndarray:
    """Which components each sample opens, `(samples, components)`."""
    found = []
    for batch in batches_of(x, batch_size):
        images = keras.tree.flatten(model.split(batch)[0])
        image = images if len(images) > 1 else images[0]
        found.append(ops.convert_to_numpy(policy(budget, image=image, training=False)))
    return np.concatenate(found)


def milliseconds(model, x, budget: float, timed: int) -> float:
    """The median time of a sample, in the network that skips what its policy closes."""
    small = conditional(model, utilization=budget)
    batches = [batch for batch, _ in zip(batches_of(x, 1), range(timed), strict=False)]
    small.predict_on_batch(batches[0])  # compiled
    times = []
    for batch in batches:
        start = time.perf_counter()
        small.predict_on_batch(batch)
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times))
