"""Nested gating: an open group implies all groups before it."""

import keras
import numpy as np
from keras import ops

from keras_tnn.gates.gate import Gate
from keras_tnn.quantities import check_permutation


@keras.saving.register_keras_serializable(package="keras_tnn")
class Nested(Gate):
    """Opens groups in one fixed order: g_i = 1 implies g_j = 1 for every j before i.

    Of D groups the first d = min(D, floor(u (D + 1))) are open (hostetler2019, 3.4 and 4.1;
    liu2022, 3.2.3). The papers find this order best for throttling.

    Args:
        num_groups: Integer, the cardinality D.
        min_groups: Integer, how many groups stay open at any utilization.
        normalize: Boolean, divide by the number of open groups (hostetler2019, Eq. 3).
        order: Optional permutation of `range(num_groups)`: the groups in the order in which they
            open. Defaults to 0, 1, 2 and so on.

    Input shape:
        `()` or `(batch,)`, utilization.

    Output shape:
        `(batch, num_groups)`.

    Raises:
        ValueError: if `order` is not a permutation of the groups.

    Example:

    >>> gate = Nested(num_groups=4)
    >>> [int(gate.pattern(u).sum()) for u in (0.1, 0.25, 0.5, 0.75, 1.0)]
    [0, 1, 2, 3, 4]
    """

    def __init__(self, num_groups, min_groups=0, normalize=False, order=None, **kwargs):
        super().__init__(num_groups, min_groups, normalize, **kwargs)
        self.order = None if order is None else check_permutation(order, "order", num_groups)

    def open_groups(self, utilization, training=None):
        # A group's rank is its place in the order: group `order[0]` has rank 0 and opens first.
        rank = np.arange(self.num_groups) if self.order is None else np.argsort(self.order)
        return ops.greater(ops.expand_dims(self.count(utilization), -1), rank.astype("float32"))

    def get_config(self):
        return {**super().get_config(), "order": self.order}
