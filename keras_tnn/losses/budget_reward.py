"""The reward of BudgetNet: right answers at the cost that was asked for."""

from collections.abc import Callable

from keras import ops

from keras_tnn.losses.complexity import complexity_maker
from keras_tnn.quantities import check_not_negative


class BudgetReward:
    """R(u, c) = 1 - d if the answer is right, -gamma (1 + d) if not (chen2020, Eq. 4).

    d = sqrt(|usage - c|) + omega [usage > c]. As printed, Eq. 4 subtracts omega inside of the
    root or behind it, where for wrong answers it would raise the reward; the sentence below it
    says that the reward falls by omega where the usage is above the budget, and that is what is
    computed here.

    Args:
        gamma: float, 0 or more, what a wrong answer costs.
        omega: float, 0 or more, what being above the budget costs besides.
        unit: in what a usage, as a share of the whole, is counted: "gates" (the share of open
            components, the paper's), "macs", "energy", or a function that makes a complexity from
            the model, such as `keras_tnn.losses.MeasuredShare` of times.

    Call arguments:
        right: which answers are right, `(batch,)`, 1 or 0.
        usage: of each sample, `(batch,)`.
        budget: c of each sample, `(batch,)`.

    Raises:
        ValueError: if `gamma` or `omega` is negative, or `unit` is unknown.

    Example:

    >>> reward = BudgetReward(gamma=2.0, omega=0.25)
    >>> right, usage = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.25, 0.75, 0.25, 0.75])
    >>> reward(right, usage, np.full(4, 0.5)).numpy().tolist()
    [0.5, 0.25, -3.0, -3.5]
    """

    def __init__(self, gamma: float = 1.0, omega: float = 0.1, unit: str | Callable = "gates"):
        self.gamma = check_not_negative(gamma, "gamma")
        self.omega = check_not_negative(omega, "omega")
        self.unit = complexity_maker(unit, "unit")

    def __call__(self, right, usage, budget):
        over = ops.cast(ops.greater(usage, budget), usage.dtype)
        d = ops.sqrt(ops.abs(usage - budget)) + self.omega * over
        return ops.where(right > 0, 1 - d, -self.gamma * (1 + d))
