"""Priors that stay the same through training: uniform, discrete, fixed."""

from keras_tnn.callbacks.utilization_callback import REGIMES, UtilizationCallback
from keras_tnn.training import DiscreteDraw
from keras_tnn.utilization import check_one


def check_low(value, name: str) -> float:
    """A lower bound of u: like a utilization, but 0 is allowed."""
    return 0.0 if value == 0 and not isinstance(value, bool) else check_one(value, name)


class UniformUtilization(UtilizationCallback):
    """u ~ Uniform[low, 1], the papers' default with low = 0 (hostetler2019, 4.1; liu2022, Eq. 1).

    Args:
        low: float in [0, 1].
        per: "sample" or "batch", see `UtilizationCallback`.
        seed: Integer, starts the draws.

    Raises:
        ValueError: if `low` is not in [0, 1].

    Example:

    ```python
    model.fit(x, y, callbacks=[keras_tnn.callbacks.UniformUtilization(low=0.1)])
    ```
    """

    def __init__(self, low: float = 0.0, per: str = "sample", seed: int = 0):
        super().__init__(per, seed)
        self.low = check_low(low, "low")

    def range_at(self, epoch):
        return self.low, 1.0


class DiscreteUtilization(UtilizationCallback):
    """u drawn from a list of levels, such as those that will be deployed.

    Args:
        levels: rising floats in (0, 1].
        probabilities: one weight a level; equal by default.
        per: "sample" or "batch", see `UtilizationCallback`.
        seed: Integer, starts the draws.

    Raises:
        ValueError: if the levels or the probabilities are invalid.

    Example:

    ```python
    prior = keras_tnn.callbacks.DiscreteUtilization((0.25, 0.5, 1.0), probabilities=(1, 1, 2))
    model.fit(x, y, callbacks=[prior])
    ```
    """

    def __init__(self, levels, probabilities=None, per: str = "sample", seed: int = 0):
        super().__init__(per, seed)
        self.draw = DiscreteDraw(levels, probabilities)

    def make_regime(self):
        return REGIMES[self.per](self.draw)

    def range_at(self, epoch):
        return float(self.draw.levels[0]), float(self.draw.levels[-1])


class FixedUtilization(UtilizationCallback):
    """Always the same u; 1 is ordinary training.

    Args:
        utilization: float in (0, 1].

    Raises:
        ValueError: if `utilization` is not in (0, 1].

    Example:

    ```python
    model.fit(x, y, callbacks=[keras_tnn.callbacks.FixedUtilization(1.0)])
    ```
    """

    def __init__(self, utilization: float = 1.0):
        super().__init__()
        self.utilization = check_one(utilization)

    def range_at(self, epoch):
        return self.utilization, self.utilization
