"""What the levels of a throttled model cost, each as a share of the dearest."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from keras_tnn.cost import energy, layer_costs
from keras_tnn.surgery import materialize

UNITS = ("utilization", "macs", "energy")


def level_costs(model: keras.Model, levels: Sequence[float], cost="macs") -> tuple[float, ...]:
    """The share of each level in the cost of the dearest, floats in (0, 1].

    Args:
        model: throttled model.
        levels: rising utilizations in (0, 1].
        cost: "utilization", u itself, the shortcut of liu2022 (3.3.4); "macs"; "energy"
            (wang2019, Eq. 6); or a measured table: a dict from level to milliseconds or any other
            positive number.

    Raises:
        ValueError: if `cost` is none of these, or a level is missing in the table.

    Example:

    >>> model = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16)
    >>> level_costs(model, (0.5, 1.0), {0.5: 2.0, 1.0: 5.0})
    (0.4, 1.0)
    """
    if isinstance(cost, Mapping):
        costs = [cost.get(u, 0) for u in levels]
        if not all(one > 0 for one in costs):
            raise ValueError(
                "Invalid value for `cost`. Expected a positive number for each of the levels "
                f"{tuple(levels)}. Received: cost={dict(cost)}"
            )
    elif cost == "utilization":
        return tuple(levels)
    elif cost in UNITS:
        layers = [layer_costs(materialize(model, u)) for u in levels]
        total = energy if cost == "energy" else lambda level: sum(one.macs for one in level)
        costs = [total(level) for level in layers]
    else:
        raise ValueError(
            f"Invalid value for `cost`. Expected one of {UNITS} or a dict from level to a measured "
            f"cost. Received: cost={cost!r}"
        )
    return tuple(float(one) for one in np.array(costs) / max(costs))
