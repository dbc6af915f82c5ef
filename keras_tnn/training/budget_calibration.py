"""A budget asked is a budget met: the policy's log-odds are shifted until its mean cost is c."""

import keras
import numpy as np
from keras import ops

from keras_tnn.gates import BudgetPolicy
from keras_tnn.gates.budget_policy import KNOTS
from keras_tnn.losses.complexity import Complexity, complexity_maker
from keras_tnn.surgery.recalibrate import batches_of

RANDOM_ROWS = 64  # on which costs are seen to add up
BISECTIONS = 40  # of an interval of log-odds: below float32's steps


def calibrate_budgets(model, x, unit="macs", hard: bool = False, batch_size: int = 256):
    """Makes the mean cost of a model with a `BudgetPolicy` the budget that it is asked for.

    On held-out inputs, for each of the budgets 0.05, 0.1 and so on to 1, the number is found that,
    added to all log-odds of the policy, makes the mean share of open components, MACs or energy
    the budget; or as near as it can be where some of the network always runs. Between two of
    these budgets the number is on a straight line. It is saved with the model, and does not
    touch training.

    In hard mode, no sample is above its budget: of the components that the policy opens, the least
    probable are dropped until the rest is within it. The mean is then below the budget by the
    part of a component that nothing is left to buy for. What components cost is added up as if
    each were alone, which is exact for MACs and on the safe side for energy.

    Args:
        model: `keras_tnn.ThrottledModel` whose only gate is a `keras_tnn.gates.BudgetPolicy`.
        x: held-out inputs without utilization, as `keras_tnn.surgery.recalibrate` takes them.
        unit: what a budget is a share of, as `keras_tnn.losses.BudgetReward` takes it.
        hard: whether samples keep to their budgets one by one.
        batch_size: samples a batch, where `x` is arrays.

    Raises:
        ValueError: if the model has another gate or no policy, if `unit` is unknown, or if `hard`
            and components cost more together than one by one, as channels of layers do that read
            each other.

    Example:

    ```python
    calibrate_budgets(model, x_held_out, unit="macs", hard=True)
    model.predict(x, utilization=0.4)  # no sample takes more than 0.4 of the MACs
    ```
    """
    policy = policy_of(model)
    complexity = complexity_maker(unit, "unit")(model)
    costs, rest = costs_of(complexity, policy, hard)
    policy.offsets.assign(np.zeros(KNOTS))
    offsets = [
        shift(log_odds(model, policy, x, budget, batch_size), budget, policy, complexity)
        for budget in np.arange(1, KNOTS + 1) / KNOTS
    ]
    policy.offsets.assign(offsets)
    policy.costs.assign(costs)
    policy.rest.assign(rest)
    policy.hard.assign(float(hard))


def policy_of(model) -> BudgetPolicy:
    """The policy that decides for all of a model."""
    found = getattr(model, "gates", [])
    if len(found) != 1 or not isinstance(found[0], BudgetPolicy):
        raise ValueError(
            "Invalid value for `model`. Expected a keras_tnn.ThrottledModel with one gate, such as "
            "keras_tnn.throttle(model, gate=keras_tnn.gates.BudgetPolicy). Received: "
            f"'{model.name}' with the gates {[type(gate).__name__ for gate in found]}"
        )
    return found[0]


def log_odds(model, policy: BudgetPolicy, x, budget: float, batch_size: int) -> np.ndarray:
    """Those of the free components at one budget, `(samples, free groups)`."""
    found = []
    for batch in batches_of(x, batch_size):
        features, _ = model.split(batch)
        images = keras.tree.flatten(features)
        image = images if len(images) > 1 else images[0]
        read = policy.read(np.full(len(images[0]), budget, "float32"), image)
        found.append(ops.convert_to_numpy(policy.logits(None, training=True, read=read)))
    return np.concatenate(found)


def shift(
    log_odds: np.ndarray, budget: float, policy: BudgetPolicy, complexity: Complexity
) -> float:
    """What to add to log-odds for the mean cost to be the budget, by bisection: it only rises."""
    bound = float(np.abs(log_odds).max()) + 1
    low, high = -bound, bound
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        opened = policy.with_open_groups(ops.cast(log_odds + middle > 0, "float32"))
        above = float(ops.mean(complexity.measure(opened))) > budget
        low, high = (low, middle) if above else (middle, high)
    return (low + high) / 2


def costs_of(complexity: Complexity, policy: BudgetPolicy, hard: bool):
    """What each component adds to the cost, `(groups,)`, and what there is without all of them."""
    number = policy.num_groups
    always = ~np.isin(np.arange(number), policy.free)
    some = np.random.default_rng(0).random((RANDOM_ROWS, number)) < 0.5
    rows = np.concatenate([np.zeros((1, number)), np.eye(number), np.ones((1, number)), some])
    rows = np.maximum(rows, always).astype("float32")
    found = ops.convert_to_numpy(ops.mean(complexity.measure(rows), axis=-1)).astype("float64")
    rest, costs = found[0], found[1 : number + 1] - found[0]
    summed = rest + rows @ costs
    if hard and np.any(found > summed * (1 + 1e-4)):  # float32 sums
        raise ValueError(
            "Invalid value for `hard`. Components cost more together than one by one. Expected "
            "blocks or paths, as of keras_tnn.throttle(model, axes=('depth',), gate=...). "
            "Received: hard=True"
        )
    return costs, rest
