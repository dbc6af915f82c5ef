"""How many of a model's groups are open at a utilization."""

import keras
import numpy as np

from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.cut import forward, known_utilization
from keras_tnn.surgery.gate_calls import groups_of
from keras_tnn.surgery.materialize import read_throttled_graph
from keras_tnn.surgery.rules.gating import gate_values


def count_open_groups(model: keras.Model, utilization: float) -> tuple[int, int]:
    """Counts the groups of every gated layer, and those among them that are open.

    A residual gate counts as one group: its block, open or closed, also where it shares the gate
    of the whole network.

    Args:
        model: throttled functional model.
        utilization: float in (0, 1].

    Returns:
        `(open, total)`.

    Raises:
        ValueError: if the model has no throttled layer.
    """
    graph = read_throttled_graph(model)
    calls, _ = forward(graph, known_utilization(graph, utilization))
    values = [decided_values(call) for call in calls if isinstance(call.operation, Gated)]
    return sum(np.count_nonzero(v) for v in values), sum(v.size for v in values)


def decided_values(call) -> np.ndarray:
    """The gate's values of the groups that this call decides on."""
    return gate_values(call)[
        sorted({*groups_of(call).tolist()} - {-1})
    ]  # it may obey some groups of a larger gate
