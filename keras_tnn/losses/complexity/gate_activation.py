"""The complexity that is each gate by itself."""

import keras
from keras import ops

from keras_tnn.gates import LearnedGate
from keras_tnn.losses.complexity.complexity import Complexity
from keras_tnn.surgery import read_graph
from keras_tnn.surgery.gate_calls import find_gates


class GateActivation(Complexity):
    """Each gate by itself: the Z of herrmann2019 (1.1), a column for every group.

    The columns are the groups that learned gates decide on; in a model without learned gates all
    groups of all gates.

    Args:
        model: functional model with gates.

    Raises:
        ValueError: if the model has no gates.

    Example:

    >>> image, u = keras.Input((4,)), keras.Input((), name="utilization")
    >>> open_groups = keras_tnn.gates.DataIndependent(4, min_groups=1)(u)
    >>> x = keras_tnn.layers.ThrottleableDense(8, num_groups=4)([image, open_groups])
    >>> model = keras.Model([image, u], keras.layers.Dense(2)(x))
    >>> with keras_tnn.gates.record_decisions() as decisions:
    ...     _ = model([np.ones((5, 4)), np.ones(5)])
    >>> GateActivation(model)(decisions).shape  # three of the four groups may close
    TensorShape([5, 3])
    """

    def __init__(self, model: keras.Model):
        super().__init__(find_gates(read_graph(model), model.name))
        pairs = [(site.gate, first) for site, first in zip(self.sites, self.first, strict=True)]
        learned = [pair for pair in pairs if isinstance(pair[0], LearnedGate)]
        self.columns = [first + group for gate, first in learned or pairs for group in gate.free]

    def measure(self, values):
        return ops.take(values, self.columns, axis=-1)
