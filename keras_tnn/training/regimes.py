"""How the utilization of a training step is chosen and what the step computes with it.

Ordinary training is one extreme: always u = 1. The distribution of u in training is a prior over
the u of later use (hostetler2019, 4.1 and Figure 2).

- `PerSample`: every sample draws its own u; groups are masked.
- `PerBatch`: a batch shares one u; only active channels are computed.
- `Sandwich` (in sandwich.py): full, lowest and random levels in every step.
"""

from abc import ABC, abstractmethod

import keras
import numpy as np
from keras import ops

from keras_tnn.training.active import ActivePaths
from keras_tnn.utilization import check_levels


class Draw(ABC):
    """A distribution of utilization."""

    @abstractmethod
    def sample(self, model, size):
        """`size` values of u, float32 tensor `(size,)`, from the model's random state."""

    @abstractmethod
    def intervals(self, model) -> tuple[np.ndarray, np.ndarray]:
        """The distinct networks that u can ask for: edges `(n - 1,)` between, and a u in each."""


class UniformDraw(Draw):
    """u ~ Uniform[low, high], with the bounds on the model's dial. low = high fixes u."""

    def sample(self, model, size):
        low, high = model.dial.state[0], model.dial.state[1]
        noise = keras.random.uniform((size,), dtype="float32", seed=model.seed_generator)
        return low + (high - low) * noise

    def intervals(self, model):
        edges = np.array(model.breakpoints, "float32")
        ends = np.concatenate([[0], edges, [1]])
        return edges, (ends[:-1] + ends[1:]) / 2


class DiscreteDraw(Draw):
    """u drawn from a list of levels with given probabilities.

    Args:
        levels: rising floats in (0, 1].
        probabilities: one weight a level, not negative; they are normalised. Default: equal.

    Raises:
        ValueError: if the levels or probabilities are invalid.
    """

    def __init__(self, levels, probabilities=None):
        self.levels = np.array(check_levels(levels), "float32")
        weights = np.ones(len(self.levels)) if probabilities is None else np.array(probabilities)
        if weights.shape != self.levels.shape or not np.all(weights >= 0) or weights.sum() <= 0:
            raise ValueError(
                f"Invalid value for `probabilities`. Expected {len(self.levels)} weights, none "
                f"negative, some positive. Received: probabilities={probabilities}"
            )
        self.probabilities = weights / weights.sum()

    def sample(self, model, size):
        noise = keras.random.uniform((size, 1), dtype="float32", seed=model.seed_generator)
        edges = np.cumsum(self.probabilities)[:-1].astype("float32")
        index = ops.sum(ops.cast(ops.greater_equal(noise, edges), "int32"), axis=-1)
        return ops.take(self.levels, index)

    def intervals(self, model):
        return self.levels[1:], self.levels


class Regime(ABC):
    """What one training step does when the user gives no utilization."""

    def prepare(self, model):  # noqa: B027  (most regimes have nothing to prepare)
        """Called once, outside any compiled step, when the model takes on the regime."""

    @abstractmethod
    def outputs(self, model, features: list):
        """The model's outputs in training for the inputs other than utilization."""

    def loss(self, model, x, y, outputs, sample_weight):
        """The loss of the step."""
        return model.task_loss(x, y, outputs, sample_weight)


class PerSample(Regime):
    """Every sample draws its own u (the papers' way).

    Args:
        draw: the distribution of u. Default: uniform on the dial's range.
    """

    def __init__(self, draw: Draw | None = None):
        self.draw = draw or UniformDraw()

    def outputs(self, model, features):
        return model.masked(features, self.draw.sample(model, ops.shape(features[0])[0]))


class PerBatch(Regime):
    """A batch shares one u, and only what is active at it is computed.

    Args:
        draw: the distribution of u. Default: uniform on the dial's range.
    """

    def __init__(self, draw: Draw | None = None):
        self.draw = draw or UniformDraw()

    def prepare(self, model):
        self.edges, levels = self.draw.intervals(model)
        self.paths = ActivePaths(model, levels)

    def outputs(self, model, features):
        u = self.draw.sample(model, 1)
        index = ops.sum(ops.cast(ops.greater_equal(u, self.edges), "int32"))
        return self.paths.switch(index, features, update=True)
