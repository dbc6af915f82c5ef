"""What the gates leave of a network's cost: its MACs, its energy, or measured time.

Each is a share of the network without gates, so a target of 0.5 means half of what the plain
network costs. Gates that are computed for every sample count with it (herrmann2019, S1.4): with
all gates open the share is above 1 by what they cost.
"""

import math
from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from keras_tnn.cost.deciding import groups_around
from keras_tnn.cost.energy import EnergyModel
from keras_tnn.cost.gated_cost import GatedCost, gated_energy, gated_macs
from keras_tnn.cost.remainder import Remainder
from keras_tnn.losses.complexity.complexity import Complexity
from keras_tnn.surgery import read_graph
from keras_tnn.surgery.gate_calls import find_gates


class CostShare(Complexity):
    """A `GatedCost` as a share of the network without gates.

    Attributes:
        cost: `keras_tnn.cost.GatedCost`.
    """

    def __init__(self, cost: GatedCost):
        super().__init__(cost.sites)
        self.cost = cost

    def measure(self, values):
        return ops.expand_dims(self.cost(values) / self.cost.ungated, -1)


class MacsShare(CostShare):
    """#FLOPs / max #FLOPs from the gates, exact for the whole network (herrmann2019, 3.4).

    Args:
        model: functional model with gates. Building takes a second for MobileNetV2.

    Raises:
        ValueError: as `keras_tnn.cost.gated_macs`.

    Example:

    >>> image, u = keras.Input((4,)), keras.Input((), name="utilization")
    >>> x = keras_tnn.layers.ThrottleableDense(8, num_groups=4)([image, u])  # 4 x 8 MACs
    >>> model = keras.Model([image, u], keras.layers.Dense(2)(x))  # 8 x 2 MACs
    >>> with keras_tnn.gates.record_decisions() as decisions:
    ...     _ = model([np.ones((2, 4)), np.array([0.25, 1.0])])
    >>> share = MacsShare(model)
    >>> share(decisions).numpy().tolist(), share.cost.ungated
    ([[0.25], [1.0]], 48.0)
    """

    def __init__(self, model: keras.Model):
        super().__init__(gated_macs(model))


class EnergyShare(CostShare):
    """Joules as `keras_tnn.cost.energy` counts them, by the channels that gates leave.

    Args:
        model: functional model with gates.
        energy_model: `keras_tnn.cost.EnergyModel`, what accesses and MACs cost; by default
            `EnergyModel()`.

    Raises:
        ValueError: as `keras_tnn.cost.gated_energy`.

    Example:

    ```python
    int8 = keras_tnn.cost.EnergyModel(dram=230e-12, buffer=6.9e-12, register=1e-12, mac=0.2e-12)
    complexity = keras_tnn.losses.EnergyShare(model, int8)
    ```
    """

    def __init__(self, model: keras.Model, energy_model: EnergyModel | None = None):
        super().__init__(gated_energy(model, energy_model))


class MeasuredShare(Complexity):
    """Time, or any other cost, that was measured for each group: rest + sum of open groups.

    A group inside a residual block takes its time only where the block is open.

    Args:
        model: functional model with gates.
        seconds: for the name of each gate, or of each layer that owns one, what each of its
            groups takes.
        rest: what the network takes with all groups closed.

    Raises:
        ValueError: if a gate is missing or unknown, has not one number a group, if a number is
            negative or not finite, or if all are zero; as `Complexity` for the model.

    Example:

    >>> image, u = keras.Input((4,)), keras.Input((), name="utilization")
    >>> x = keras_tnn.layers.ThrottleableDense(8, num_groups=2, name="hidden")([image, u])
    >>> model = keras.Model([image, u], keras.layers.Dense(2)(x))
    >>> with keras_tnn.gates.record_decisions() as decisions:
    ...     _ = model([np.ones((2, 4)), np.array([0.5, 1.0])])
    >>> MeasuredShare(model, {"hidden": [0.25, 0.5]}, rest=0.25)(decisions).numpy().tolist()
    [[0.5], [1.0]]
    """

    def __init__(
        self, model: keras.Model, seconds: Mapping[str, Sequence[float]], rest: float = 0.0
    ):
        graph = read_graph(model)
        super().__init__(find_gates(graph, model.name))
        names = [site.name for site in self.sites]
        if set(seconds) != set(names):
            raise ValueError(
                f"Invalid value for `seconds`. Expected the gates {sorted(names)}. "
                f"Received: {sorted(seconds)}"
            )
        for site in self.sites:
            check_seconds(site.name, seconds[site.name], site.gate.num_groups)
        check_seconds("rest", [rest], 1)
        each = np.concatenate([np.asarray(seconds[name], "float64") for name in names])
        total = rest + each.sum()
        if total == 0:
            raise ValueError("Invalid value for `seconds`. Expected a time above zero in all.")
        self.shares, self.rest = (each / total).astype("float32"), rest / total
        around = groups_around(Remainder(graph, self.sites, lambda *call: []))
        outer = [around[id(site.place)] for site in self.sites for _ in range(site.gate.num_groups)]
        self.outer = [sorted(groups) for groups in outer]  # of each group, the blocks around it

    def measure(self, values):
        one = ops.ones_like(values[:, 0])
        runs = [math.prod((values[:, i] for i in groups), start=one) for groups in self.outer]
        opened = values * ops.stack(runs, axis=-1)
        return ops.matmul(opened, self.shares[:, None]) + self.rest  # (batch, 1)


def check_seconds(name: str, values: Sequence[float], size: int):
    valid = len(values) == size and all(math.isfinite(x) and x >= 0 for x in values)
    if not valid:
        raise ValueError(
            f"Invalid value for `seconds` of '{name}'. Expected {size} numbers, zero or more. "
            f"Received: {values!r}"
        )
