"""What all complexities share: they read what the gates of a model chose in one forward pass."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from keras import ops

from keras_tnn.cost.gate_sites import GateSite
from keras_tnn.gates import Reading


class Complexity:
    """Base class: reads what all gates of a model chose. A subclass writes `measure`.

    Args:
        sites: the gates of the model.
    """

    def __init__(self, sites: Sequence[GateSite]):
        self.sites = tuple(sites)
        ends = np.cumsum([site.gate.num_groups for site in self.sites])
        self.num_groups = int(ends[-1])
        self.first = [0, *ends[:-1].tolist()]  # the column of each gate's first group

    def measure(self, values):
        """Complexities `(batch, columns)` from `(batch, groups of all gates)`."""
        raise NotImplementedError(f"{type(self).__name__} must define `measure`.")

    def __call__(self, readings: Iterable[Reading]):
        """Complexities of one forward pass, float tensor `(batch, columns)`.

        Args:
            readings: of the model's gates; of a gate that was called several times the first one.

        Raises:
            ValueError: if a gate left no reading.
        """
        return self.measure(self.read(readings))

    def read(self, readings: Iterable[Reading]):
        """What the gates chose, side by side: `(batch, groups of all gates)`."""
        chosen = {id(reading.gate): reading.values for reading in reversed(list(readings))}
        missing = [site.names[0] for site in self.sites if id(site.gate) not in chosen]
        if missing:
            raise ValueError(
                f"The gates {missing} left no reading. Expected the readings of one forward pass: "
                "call the model inside `keras_tnn.gates.read_gates()`. "
                f"Received readings of {len(chosen)} gates."
            )
        values = [ops.cast(chosen[id(site.gate)], "float32") for site in self.sites]
        # A gate that is alike for all samples may have one row: (1 or batch, D) -> (batch, D).
        rows = math.prod(ops.ones_like(one[:, :1]) for one in values)
        return ops.concatenate([one * rows for one in values], axis=-1)
