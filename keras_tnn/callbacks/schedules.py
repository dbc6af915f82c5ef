"""Priors that move from epoch to epoch: annealed from full to low, or a curriculum upwards."""

from keras_tnn.callbacks.distributions import check_low
from keras_tnn.callbacks.utilization_callback import UtilizationCallback
from keras_tnn.callbacks.way import Way
from keras_tnn.quantities import check_count
from keras_tnn.utilization import check_one


class AnnealedUtilization(UtilizationCallback):
    """u ~ Uniform[t, 1] with t falling from `start`: the way to fine-tune a trained network.

    hostetler2019 lets t fall from 1 by 0.05 an epoch on ImageNet (A.2) and by 0.1 for detection
    (A.3), until 0.

    Args:
        start: float in (0, 1], t in the first epoch.
        step: float in (0, 1], how much t falls at a time.
        every: Integer, epochs between two falls.
        low: float in [0, 1], where t stops.
        per: "sample" or "batch", see `UtilizationCallback`.
        seed: Integer, starts the draws.

    Raises:
        ValueError: if an argument is out of range.

    Warns:
        UserWarning: at the start of a `fit` whose epochs end before the schedule does; it names a
            step that fits.

    Example:

    >>> schedule = AnnealedUtilization(step=0.25)
    >>> [schedule.range_at(epoch)[0] for epoch in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    def __init__(self, start=1.0, step=0.05, every=1, low=0.0, per="sample", seed=0):
        super().__init__(per, seed)
        self.start = check_one(start, "start")
        self.step = check_one(step, "step")
        self.every = check_count(every, "every")
        self.low = check_low(low, "low")

    def range_at(self, epoch):
        fallen = self.start - self.step * (epoch // self.every)
        return max(self.low, round(fallen, 6)), 1.0

    def way(self):
        whole = max(0.0, self.start - self.low)
        # Where t is one step above its end, what is left to draw is no more than that step.
        length = max(whole - self.step, min(self.step, whole))
        return Way(length, self.step, self.every, f"t comes down to {self.low:g}")


class UtilizationCurriculum(UtilizationCallback):
    """u starts low and rises: easier tasks and fewer parameters first (liu2022, Algorithm 1).

    The paper starts at 0.1 and adds 0.1 every two epochs (4.4). Every sample of an epoch has
    the same u.

    Args:
        start: float in (0, 1], u in the first epoch.
        step: float in (0, 1], how much u rises at a time, up to 1.
        every: Integer, epochs between two rises.

    Raises:
        ValueError: if an argument is out of range.

    Warns:
        UserWarning: at the start of a `fit` whose epochs end before the schedule does; it names a
            step that fits.

    Example:

    >>> schedule = UtilizationCurriculum(start=0.1, step=0.1, every=2)
    >>> [schedule.range_at(epoch)[0] for epoch in (0, 1, 2, 3, 18, 30)]
    [0.1, 0.1, 0.2, 0.2, 1.0, 1.0]
    """

    def __init__(self, start: float = 0.1, step: float = 0.1, every: int = 2):
        super().__init__()
        self.start = check_one(start, "start")
        self.step = check_one(step, "step")
        self.every = check_count(every, "every")

    def range_at(self, epoch):
        u = min(1.0, round(self.start + self.step * (epoch // self.every), 6))
        return u, u

    def way(self):
        return Way(1.0 - self.start, self.step, self.every, "u comes up to 1")
