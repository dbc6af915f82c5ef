"""The sandwich rule: every step trains the full level, the lowest, and some between them.

Yu and Huang (2019), "Universally slimmable networks and improved training techniques", 3.2, with
their in-place distillation, 3.4: the full level learns from the labels, the others from it.
"""

import keras
from keras import ops

from keras_tnn.training.active import ActivePaths
from keras_tnn.training.regimes import Regime


class Sandwich(Regime):
    """Full, lowest and random levels a step; only active channels are computed.

    The batch-norm statistics that the model keeps are those of the full level; the others are
    estimated when a level is cut (see `materialize`).

    Args:
        levels: rising floats in (0, 1], the last of them 1.
        random_levels: Integer, how many levels between lowest and full each step draws.
        distillation: `keras.losses.Loss` on `(full outputs, level outputs)` that replaces the
            labels for all levels but the full one, or None.
    """

    def __init__(self, levels, random_levels: int = 1, distillation=None):
        self.levels = tuple(levels)
        self.random_levels = random_levels if len(self.levels) > 2 else 0
        self.distillation = distillation

    def prepare(self, model):
        self.paths = ActivePaths(model, self.levels)

    def outputs(self, model, features):
        return self.paths.run(len(self.levels) - 1, features, update=True)

    def loss(self, model, x, y, outputs, sample_weight):
        features, _ = model.split(x)
        total = model.task_loss(x, y, outputs, sample_weight)
        for level_outputs in self.other_levels(model, features):
            if self.distillation is None:
                total += model.task_loss(x, y, level_outputs, sample_weight)
            else:
                teacher = keras.tree.map_structure(ops.stop_gradient, outputs)
                total += self.distillation(teacher, level_outputs, sample_weight)
        # The mean, so that a learning rate means what it means without the rule.
        return total / (1 + min(1, len(self.levels) - 1) + self.random_levels)

    def other_levels(self, model, features):
        """Outputs of the lowest level, then of random ones strictly between it and the full."""
        if len(self.levels) > 1:
            yield self.paths.run(0, features, update=False)
        for _ in range(self.random_levels):
            between = keras.random.randint((), 1, len(self.levels) - 1, seed=model.seed_generator)
            yield self.paths.switch(between, features, update=False)
