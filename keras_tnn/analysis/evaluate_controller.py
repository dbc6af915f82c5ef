"""What a controller's choices are worth, beside those that cost no training."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_tnn.analysis.choices import Choices, one_level_each, oracle
from keras_tnn.analysis.choices_table import ChoicesTable
from keras_tnn.analysis.escalation import escalation
from keras_tnn.analysis.outcomes import Outcomes
from keras_tnn.cost import count_macs


def evaluate_controller(
    controllers: keras.Model | Mapping[str, keras.Model],
    x: Any,
    outcomes: Outcomes,
    held_out: Outcomes,
    *,
    batch_size: int = 256,
) -> ChoicesTable:
    """Runs controllers on samples whose outcomes are known, their own cost included.

    Beside each stands what costs no training: the best random choice of levels at the same mean
    cost, and escalation at that cost, its thresholds chosen on held-out samples. Then each fixed
    level, and the oracle (liu2022, Fig. 8).

    Args:
        controllers: a controller of the outcomes' levels, or several by name. One with the outputs
            "choice" and "answer" has run the lowest level already.
        x: inputs of the samples, arrays without utilization.
        outcomes: of the same samples, as `level_outcomes` gives them.
        held_out: of other samples, on which the thresholds of escalation are chosen.
        batch_size: samples a batch.

    Returns:
        `ChoicesTable`. `print(table)` shows it, `table.plot()` and `table.plot_levels()` draw it.

    Raises:
        ValueError: if a controller does not fit the outcomes' levels.
    """
    if not isinstance(controllers, Mapping):
        controllers = {controllers.name: controllers}
    made = [
        choices_of(controller, name, x, outcomes, batch_size)
        for name, controller in controllers.items()
    ]
    thresholds = [escalation(held_out, min(1.0, one.mean_cost)) for one in made]
    escalated = [one.on(outcomes) for one in thresholds]
    return ChoicesTable(outcomes, tuple(made), tuple(escalated), oracle(outcomes))


def choices_of(controller, name: str, x, outcomes: Outcomes, batch_size: int) -> Choices:
    """A controller's choices; where the lowest level is part of it, that level costs nothing more.

    Raises:
        ValueError: if it does not choose from as many levels.
    """
    outputs = controller.predict(x, batch_size=batch_size, verbose=0)
    holds_lowest = isinstance(outputs, dict)
    probabilities = outputs["choice"] if holds_lowest else outputs
    if probabilities.shape != (len(outcomes.labels), len(outcomes.levels)):
        raise ValueError(
            f"Invalid value for `controllers`. Expected one that chooses from "
            f"{len(outcomes.levels)} levels for {len(outcomes.labels)} samples. "
            f"Received: '{name}' with choices of shape {probabilities.shape}"
        )
    overhead = count_macs(controller) / outcomes.macs[-1]
    made = one_level_each(outcomes, name, probabilities.argmax(-1), overhead)
    if holds_lowest:
        made.cost[made.level == 0] = overhead
    return made
