"""What all complexities share: they read what the gates of a model chose in one forward pass."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from keras import ops

from keras_tnn.gates import Decision
from keras_tnn.surgery import GateCall


class Complexity:
    """Base class: reads what all gates of a model chose. A subclass writes `measure`.

    Args:
        sites: the calls of the model's gates.
    """

    def __init__(self, sites: Sequence[GateCall]):
        self.sites = tuple(sites)
        ends = np.cumsum([site.gate.num_groups for site in self.sites])
        self.num_groups = int(ends[-1])
        self.first = [0, *ends[:-1].tolist()]  # the column of each gate's first group

    def measure(self, values):
        """Complexities `(batch, columns)` from `(batch, groups of all gates)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `measure`.")

    def __call__(self, decisions: Iterable[Decision]):
        """Complexities of one forward pass, float tensor `(batch, columns)`.

        Args:
            decisions: of the model's gates, as `record_decisions` collects them.

        Raises:
            ValueError: if a call of a gate left no decision.
        """
        return self.measure(self.read(decisions))

    def read(self, decisions: Iterable[Decision]):
        """What the gates chose, side by side: `(batch, groups of all gates)`."""
        chosen = {decision.key: decision.values for decision in decisions}
        missing = [site.name for site in self.sites if site.key not in chosen]
        if missing:
            raise ValueError(
                f"The gates {missing} left no decision. Expected those of one forward pass: call "
                "the model inside `keras_tnn.gates.record_decisions()`. "
                f"Received decisions of {len(chosen)} calls."
            )
        values = [ops.cast(chosen[site.key], "float32") for site in self.sites]
        # A gate that is alike for all samples may have one row: (1 or batch, D) -> (batch, D).
        rows = math.prod(ops.ones_like(one[:, :1]) for one in values)
        return ops.concatenate([one * rows for one in values], axis=-1)
