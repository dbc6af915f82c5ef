"""What the gates of a model chose in one forward pass, for losses and reports to read.

While `read_gates` is open, every gate that is called leaves a reading: whoever wants to know what
a gate chose need not know which kind it is, nor where in the model it stands.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras import ops

if TYPE_CHECKING:
    from keras_tnn.gates.gate import Gate

SMALLEST = 1e-7
OPEN_LISTS: ContextVar[tuple[list, ...]] = ContextVar("readings", default=())


@dataclass(frozen=True)
class Reading:
    """What one gate chose.

    Attributes:
        gate: the gate.
        values: which groups are open, float tensor `(batch, num_groups)`; between 0 and 1 where
            training is relaxed.
        probabilities: of being open, float tensor `(batch or 1, num_groups)`; equal to `values`
            for a gate that is not learned.
    """

    gate: "Gate"
    values: Any
    probabilities: Any

    @property
    def log_probability(self):
        """log Pr(g) of what each sample drew, sum_i log[g_i p_i + (1 - g_i)(1 - p_i)], `(batch,)`.

        hostetler2019, 4.2; liu2022, Eq. 11. Groups that are always open add log 1 = 0. The
        gradient is that of the probabilities alone.
        """
        drawn, p = ops.stop_gradient(self.values), self.probabilities
        likelihood = drawn * p + (1 - drawn) * (1 - p)
        # What has probability zero in float32 may be drawn; a logarithm of it must stay finite.
        return ops.sum(ops.log(ops.maximum(likelihood, SMALLEST)), axis=-1)


@contextmanager
def read_gates():
    """Collects the readings of all gates that are called inside, in a list; also one in another.

    Example:

    >>> gate = keras_tnn.gates.Nested(4)
    >>> with keras_tnn.gates.read_gates() as readings:
    ...     _ = gate(0.5)
    >>> [int(reading.values[0].numpy().sum()) for reading in readings]
    [2]
    """
    readings: list[Reading] = []
    token = OPEN_LISTS.set((*OPEN_LISTS.get(), readings))
    try:
        yield readings
    finally:
        OPEN_LISTS.reset(token)


def leave_reading(gate: "Gate", values, probabilities):
    """Says what `gate` chose to whoever reads."""
    for readings in OPEN_LISTS.get():
        readings.append(Reading(gate, values, probabilities))
