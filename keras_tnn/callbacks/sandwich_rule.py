"""The sandwich rule as a callback."""

from keras_tnn.callbacks.utilization_callback import UtilizationCallback
from keras_tnn.losses import LevelDistillation
from keras_tnn.training import Sandwich
from keras_tnn.utilization import check_levels


class SandwichRule(UtilizationCallback):
    """Every step trains the full level, the lowest, and random ones between them.

    The recipe of universally slimmable networks (Yu and Huang 2019, 3.2 and 3.4), the strongest
    known for nested widths. Each level computes only its active channels, so a step costs less
    than as many full steps. The loss is the mean over the levels of the step.

    The batch-norm statistics in the model are those of the full level: give `calibration_data`
    when a level is cut (`materialize`, `evaluate_levels`, `convert`). Levels that are not in the
    list are not trained: list those that will be deployed.

    Args:
        levels: rising floats in (0, 1]; 1 is added if it is missing.
        random_levels: Integer, how many of the levels between the lowest and the full one are
            drawn in each step, each at most once.
        distillation: if true, only the full level learns from the labels; the others learn from
            its outputs, by a loss that fits each output's own: cross-entropy, or the mean squared
            difference for regression (`keras_tnn.losses.LevelDistillation`). A
            `keras.losses.Loss` on `(full outputs, outputs)` does the same with that loss.
        seed: Integer, starts the draws.

    Raises:
        ValueError: if the levels are invalid or `random_levels` is negative.

    Example:

    ```python
    rule = keras_tnn.callbacks.SandwichRule(levels=(0.25, 0.5, 0.75, 1.0), distillation=True)
    model.fit(x, y, callbacks=[rule])
    ```
    """

    def __init__(self, levels=(0.25, 0.5, 0.75, 1.0), random_levels=1, distillation=False, seed=0):
        super().__init__(seed=seed)
        levels = check_levels(levels)
        self.levels = levels if levels[-1] == 1 else (*levels, 1.0)
        if (
            not isinstance(random_levels, int)
            or isinstance(random_levels, bool)
            or random_levels < 0
        ):
            raise ValueError(
                "Invalid value for `random_levels`. Expected a whole number, 0 or more. "
                f"Received: random_levels={random_levels!r}"
            )
        self.random_levels = random_levels
        self.distillation = distillation

    def make_regime(self):
        if not self.distillation:
            return Sandwich(self.levels, self.random_levels)
        loss = None if self.distillation is True else self.distillation
        distillation = LevelDistillation(self.model, loss)
        return Sandwich(self.levels, self.random_levels, distillation.judge)

    def range_at(self, epoch):
        return self.levels[0], 1.0
