"""What the gates of a model decided in one forward pass, for losses, costs and reports to read.

While `record_decisions` is open, every call of a gate leaves a decision: whoever wants to know
what a gate chose need not know which kind it is, nor where in the model it stands. A gate that is
called twice decides twice, so a decision is known by its call, not by its gate.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras import ops

if TYPE_CHECKING:
    from keras_tnn.gates.gate import Gate

SMALLEST = 1e-7
RECORDS: ContextVar[tuple[list, ...]] = ContextVar("decisions", default=())


def call_key(name: str, number: int) -> str:
    """The name of one call among several: that of what is called, then "name/2" and so on."""
    return name if number == 0 else f"{name}/{number + 1}"


@dataclass(frozen=True)
class Decision:
    """What one call of a gate chose.

    Attributes:
        gate: the gate.
        values: which groups are open, float tensor `(batch, num_groups)`; between 0 and 1 where
            training is relaxed.
        probabilities: of being open, float tensor `(batch or 1, num_groups)`; equal to `values`
            for a gate that is not learned.
        state: what the gate hands on to the next one, or to what it learns by; or None.
        number: which of the calls of gates of this name it is, from 0.
    """

    gate: "Gate"
    values: Any
    probabilities: Any
    state: Any = None
    number: int = 0

    @property
    def key(self) -> str:
        """The name of the call, as `keras_tnn.surgery.gate_calls` finds it in a graph."""
        return call_key(self.gate.name, self.number)

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
def record_decisions():
    """Collects the decisions of all gates that are called inside, in a list in running order.

    Inside another record both get them; calls are counted from the start of the inner one. So
    where each forward pass has a record of its own, equal calls have equal keys in all passes.

    Example:

    >>> gate = keras_tnn.gates.Nested(4, name="open")
    >>> with keras_tnn.gates.record_decisions() as decisions:
    ...     _ = gate(0.5), gate(1.0)
    >>> [(one.key, int(one.values[0].numpy().sum())) for one in decisions]
    [('open', 2), ('open/2', 4)]
    """
    decisions: list[Decision] = []
    token = RECORDS.set((*RECORDS.get(), decisions))
    try:
        yield decisions
    finally:
        RECORDS.reset(token)


def leave_decision(gate: "Gate", values, probabilities, state=None):
    """Says what `gate` chose to whoever records."""
    records = RECORDS.get()
    if not records:
        return
    number = sum(one.gate.name == gate.name for one in records[-1])
    decision = Decision(gate, values, probabilities, state, number)
    for decisions in records:
        decisions.append(decision)
