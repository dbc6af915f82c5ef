"""The sandwich rule: every step trains the full level, the lowest, and some between them.

Yu and Huang (2019), "Universally slimmable networks and improved training techniques", 3.2, with
their in-place distillation, 3.4: the full level learns from the labels, the others from it.
"""

import keras
from keras import ops

from keras_tnn.training.level_paths import LevelPaths
from keras_tnn.training.regimes import Regime


class Sandwich(Regime):
    """Full, lowest and random levels a step; only active channels are computed.

    The batch-norm statistics that the model keeps are those of the full level; the others are
    estimated when a level is cut (see `materialize`). The loss is the mean over the levels of the
    step, so that a learning rate means what it means without the rule.

    Args:
        levels: rising floats in (0, 1], the last of them 1.
        random_levels: Integer, how many levels between lowest and full each step draws, each
            once: evenly apart in the list, from a random one on.
        distillation: None; or from `(full outputs, level outputs, sample_weight)` the loss that
            takes the place of the labels' for all levels but the full one, such as
            `keras_tnn.losses.LevelDistillation(model).judge`. What only labels can teach, the
            model's `label_loss`, stays.
    """

    def __init__(self, levels, random_levels: int = 1, distillation=None):
        super().__init__()
        self.levels = tuple(levels)
        self.random_levels = min(random_levels, max(0, len(self.levels) - 2))
        self.distillation = distillation

    def prepare(self, model):
        self.paths = LevelPaths(model, self.levels)

    def statistics_level(self, model):
        return self.levels[-1]

    def choose(self):
        between = self.levels[1:-1]
        start = self.rng.integers(len(between)) if between else 0
        # As many choices as levels between, so that few steps are compiled.
        apart = (start + i * len(between) // self.random_levels for i in range(self.random_levels))
        drawn = sorted(between[place % len(between)] for place in apart)
        return self.levels[-1], *self.levels[:-1][:1], *drawn

    def outputs(self, model, features, step):
        step.shared = self.paths.shared(features)
        return self.paths.run(step.levels[0], step.shared)

    def loss(self, model, x, y, outputs, sample_weight, step):
        total = model.task_loss(x, y, outputs, sample_weight)
        teacher = keras.tree.map_structure(ops.stop_gradient, outputs)
        for level in step.levels[1:]:
            one = self.paths.run_apart(level, step.shared)
            step.judged = level
            with model.adding(one.losses):
                if self.distillation is None:
                    total += model.task_loss(x, y, one.outputs, sample_weight)
                else:
                    total += self.distillation(teacher, one.outputs, sample_weight)
                    total += model.label_loss(y, one.outputs, sample_weight, training=True)
        return total / len(step.levels)
