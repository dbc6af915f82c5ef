"""What each exit costs each sample, given what its gates decided on the way (wang2019, III-B)."""

import numpy as np
from keras import ops

from keras_tnn.exits.exit_costs import all_open, by_gates, check_unit, rounded_up
from keras_tnn.losses.complexity import Complexity

ROUNDING = 1e-6  # costs of samples are float32 sums


class SampleCosts:
    """The cost of stopping at each exit as a function of the decisions of a forward pass.

    Counted are the way to the exit, with the gates on it, and the exit's own head. What a closed
    block holds, its channel gates included, costs nothing.

    Args:
        model: with exits, gates and a dial.
        unit: "macs" or "energy".
        *energy_model: for energy, as `keras_tnn.cost.gated_energy` takes it.
        stops: for each exit the numbers of the model's outputs that are computed where a sample
            stops there. By default that of the exit alone.

    Call arguments:
        decisions: of one pass of the model, as `record_decisions` collects them.

    Attributes:
        all_open: by exit, the cost with all groups open, gates included.

    Raises:
        ValueError: if `unit` is neither, or the cost of the gates is unknown.
    """

    def __init__(self, model, unit: str = "macs", *energy_model, stops=None):
        check_unit(unit)
        self.every = Complexity(model.gate_calls)
        columns = {
            site.key: list(range(first, first + site.gate.num_groups))
            for site, first in zip(self.every.sites, self.every.first, strict=True)
        }
        self.all_open, self.on_the_way = {}, []
        stops = stops or [[number] for number in range(len(model.exit_names))]
        for name, numbers in zip(model.exit_names, stops, strict=True):
            self.all_open[name] = all_open(model, numbers, unit, *energy_model)
            cost = by_gates(model, numbers, unit, *energy_model)
            sites = cost.sites if cost else ()
            self.on_the_way.append((cost, [i for site in sites for i in columns[site.key]]))

    def __call__(self, decisions):
        """Float tensor `(batch, exits)`."""
        values = self.every.read(decisions)  # (batch, groups of all gates)
        found = [
            cost(ops.take(values, columns, axis=-1)) if cost else ops.full_like(values[:, 0], fixed)
            for (cost, columns), fixed in zip(self.on_the_way, self.all_open.values(), strict=True)
        ]
        return ops.stack(found, axis=-1)


def last_within_each(shares: np.ndarray, budget: float) -> np.ndarray:
    """The number of the last exit that each sample can afford, integers `(n,)`.

    Args:
        shares: of each exit for each sample, over the whole network's cost: `(n, exits)`.
        budget: the same for each sample.

    Raises:
        ValueError: if a sample can afford none.

    Example:

    >>> last_within_each(np.array([[0.2, 0.5, 0.9], [0.2, 0.3, 0.4]]), 0.5).tolist()
    [1, 2]
    """
    within = shares <= budget * (1 + ROUNDING)
    if not within.any(axis=1).all():
        least = rounded_up(float(shares.min(axis=1).max()))
        raise ValueError(
            f"Invalid value for `budget`. Expected at least {least}: each exit takes more for some "
            f"sample. Received: budget={budget!r}"
        )
    return shares.shape[1] - 1 - np.argmax(within[:, ::-1], axis=1)
