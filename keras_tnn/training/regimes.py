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

from keras_tnn.quantities import check_share
from keras_tnn.training.level_paths import LevelPaths
from keras_tnn.utilization import check_levels


class Draw(ABC):
    """A distribution of utilization."""

    @abstractmethod
    def sample(self, model, size):
        """`size` values of u, float32 tensor `(size,)`, from the model's random state."""

    @abstractmethod
    def networks(self, model) -> tuple[float, ...]:
        """A u for each of the distinct networks that may be drawn, rising."""

    @abstractmethod
    def draw_network(self, model, rng: np.random.Generator) -> float:
        """One of `networks`, at random."""

    @abstractmethod
    def only_level(self, model) -> float | None:
        """The u that is always drawn; None if there are several."""


class UniformDraw(Draw):
    """u ~ Uniform[low, high], with the bounds on the model's dial. low = high fixes u."""

    def sample(self, model, size):
        low, high = model.dial.state[0], model.dial.state[1]
        noise = keras.random.uniform((size,), dtype="float32", seed=model.seed_generator)
        return low + (high - low) * noise

    def networks(self, model):
        ends = [0.0, *model.breakpoints, 1.0]
        return tuple((a + b) / 2 for a, b in zip(ends, ends[1:], strict=False))

    def draw_network(self, model, rng):
        # A tensor of u is float32, and a network begins exactly at a breakpoint.
        u = np.float32(rng.uniform(*model.dial.values))
        edges = np.array(model.breakpoints, "float32")
        return self.networks(model)[int(np.sum(u >= edges))]

    def only_level(self, model):
        low, high = model.dial.values
        return low if low == high else None


class OftenWhole(UniformDraw):
    """As `UniformDraw`, but a share of the samples has u = 1.

    Args:
        share: float in [0, 1].
    """

    def __init__(self, share: float):
        self.share = check_share(share, "share")

    def sample(self, model, size):
        u = super().sample(model, size)
        noise = keras.random.uniform((size,), dtype="float32", seed=model.seed_generator)
        return ops.where(noise < self.share, 1.0, u)

    def only_level(self, model):
        low, high = model.dial.values
        return low if low == high == 1.0 else None


class DiscreteDraw(Draw):
    """u drawn from a list of levels with given probabilities.

    Args:
        levels: rising floats in (0, 1].
        probabilities: one weight a level, not negative; they are normalised. Default: equal.

    Raises:
        ValueError: if the levels or probabilities are invalid.
    """

    def __init__(self, levels, probabilities=None):
        self.levels = check_levels(levels)
        weights = np.ones(len(self.levels)) if probabilities is None else np.array(probabilities)
        valid = weights.shape == (len(self.levels),) and np.all(weights >= 0) and weights.sum() > 0
        if not valid:
            raise ValueError(
                f"Invalid value for `probabilities`. Expected {len(self.levels)} weights, none "
                f"negative, some positive. Received: probabilities={probabilities}"
            )
        self.probabilities = weights / weights.sum()

    def sample(self, model, size):
        noise = keras.random.uniform((size, 1), dtype="float32", seed=model.seed_generator)
        edges = np.cumsum(self.probabilities)[:-1].astype("float32")
        index = ops.sum(ops.cast(ops.greater_equal(noise, edges), "int32"), axis=-1)
        return ops.take(np.array(self.levels, "float32"), index)

    def networks(self, model):
        return self.levels

    def draw_network(self, model, rng):
        return self.levels[rng.choice(len(self.levels), p=self.probabilities)]

    def only_level(self, model):
        return self.levels[0] if len(self.levels) == 1 else None


class Regime(ABC):
    """What one training step does when the user gives no utilization."""

    def __init__(self):
        self.seed(0)

    def seed(self, *numbers: int):
        """Starts what is drawn outside a compiled step."""
        self.rng = np.random.default_rng(numbers)

    @abstractmethod
    def prepare(self, model):
        """Called once, outside any compiled step, when the model takes on the regime."""

    @abstractmethod
    def statistics_level(self, model) -> float | None:
        """The level that batch-norm statistics of training fit; 0 for none, None for each.

        Where every sample of a batch has its own utilization all levels learn with the statistics
        of the mixture; where a batch shares one, with those of its level.
        """

    @abstractmethod
    def choose(self) -> tuple[float, ...]:
        """The levels of the next step, that of its outputs first; none if it draws itself."""

    def ready(self, levels: tuple[float, ...]):
        """Called before a step at these levels is compiled."""
        self.paths.make(*levels)

    @abstractmethod
    def outputs(self, model, features, step):
        """The model's outputs in training for the inputs other than utilization.

        Args:
            model: `keras_tnn.ThrottledModel`.
            features: the inputs as the plain model takes them.
            step: `keras_tnn.training.step.Step`; what the loss needs is left in it.
        """

    def loss(self, model, x, y, outputs, sample_weight, step):
        """The loss of the step, with what layers add to it."""
        return model.task_loss(x, y, outputs, sample_weight)


class PerSample(Regime):
    """Every sample draws its own u (the papers' way).

    Args:
        draw: the distribution of u. Default: uniform on the dial's range.
    """

    def __init__(self, draw: Draw | None = None):
        super().__init__()
        self.draw = draw or UniformDraw()

    def prepare(self, model):
        pass

    def statistics_level(self, model):
        return self.draw.only_level(model)

    def choose(self):
        return ()

    def ready(self, levels):
        pass

    def outputs(self, model, features, step):
        size = ops.shape(keras.tree.flatten(features)[0])[0]
        return model.masked(features, self.draw.sample(model, size), step=step)


class PerBatch(Regime):
    """A batch shares one u, and only what is active at it is computed.

    Args:
        draw: the distribution of u. Default: uniform on the dial's range.
    """

    def __init__(self, draw: Draw | None = None):
        super().__init__()
        self.draw = draw or UniformDraw()

    def prepare(self, model):
        self.model = model
        self.paths = LevelPaths(model, self.draw.networks(model))

    def statistics_level(self, model):
        return self.draw.only_level(model) or 0.0

    def choose(self):
        return (self.draw.draw_network(self.model, self.rng),)

    def outputs(self, model, features, step):
        return self.paths.run(step.levels[0], self.paths.shared(features))
