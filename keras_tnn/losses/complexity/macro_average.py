"""The complexity of liu2022 (Eq. 7 and 8): the mean over blocks of the open share of each."""

import keras
import numpy as np
from keras import ops

from keras_tnn.cost.gated_cost import mac_products
from keras_tnn.cost.obeyed_groups import obeyed_groups
from keras_tnn.cost.part_conditions import find_conditions
from keras_tnn.cost.remainder import Remainder
from keras_tnn.layers.gated import Gated
from keras_tnn.losses.complexity.complexity import Complexity
from keras_tnn.surgery import read_graph
from keras_tnn.surgery.calls import Call
from keras_tnn.surgery.gate_calls import find_gates, groups_of


class MacroAverage(Complexity):
    """c = (1 / L) sum over blocks of the share of their channels that is open (Eq. 7 and 8).

    Every gated layer is a block: a group counts as the channels that it holds, a `ResidualGate` as
    a block of one group. Calls that multiply and that no gate touches are blocks of share 1.

    Args:
        model: functional model with gates.

    Raises:
        ValueError: if the model has no gates, or a layer obeys anything but groups of gates; as
            `keras_tnn.cost.gated_macs`.

    Example:

    >>> image, u = keras.Input((4,)), keras.Input((), name="utilization")
    >>> x = keras_tnn.layers.ThrottleableDense(8, num_groups=4)([image, u])
    >>> x = keras.layers.Dense(8)(keras.layers.Dense(8)(x))  # the last one is not gated
    >>> model = keras.Model([image, u], x)
    >>> with keras_tnn.gates.record_decisions() as decisions:
    ...     _ = model([np.ones((3, 4)), np.array([0.25, 0.5, 1.0])])
    >>> MacroAverage(model)(decisions).numpy().tolist()  # (1/4 + 1) / 2 and so on
    [[0.625], [0.75], [1.0]]
    """

    def __init__(self, model: keras.Model):
        graph = read_graph(model)
        super().__init__(find_gates(graph, model.name))
        remainder = Remainder(graph, self.sites, mac_products)
        gated = iter(find_conditions(remainder).gated)
        touched = [any([next(gated) for _ in parts]) for parts in remainder.parts if parts]
        blocks = [call for call in graph.calls if isinstance(call.operation, Gated)]
        blocks = [call for call in blocks if not getattr(call.operation, "inverted", False)]
        shares = sum(self.share(call, remainder) for call in blocks)  # (groups + 1,)
        shares[-1] += touched.count(False)
        self.shares = (shares / (len(blocks) + touched.count(False))).astype("float32")

    def share(self, call: Call, remainder: Remainder) -> np.ndarray:
        """How much of a block each group of the model is; last what is always open."""
        groups = groups_of(call)
        found = obeyed_groups(call, remainder)
        if found is None:
            raise ValueError(
                f"The cost of the gates is unknown: layer '{call.name}' obeys what was computed "
                "from gates. Expected a gate's output, a slice of it, or several side by side."
            )
        columns = np.append(found, self.num_groups)  # the group -1 is the last
        return np.bincount(columns[groups], minlength=self.num_groups + 1) / len(groups)

    def measure(self, values):
        open_share = ops.matmul(values, self.shares[:-1, None]) + self.shares[-1]
        return open_share  # (batch, 1)
