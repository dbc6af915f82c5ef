"""What `throttle(gate=...)` was given: it makes gates, and says what they need."""

import functools
import inspect
from collections.abc import Callable

from keras_tnn.gates import Gate, LearnedGate


class GateMaker:
    """Makes gates, and answers what they read before any of them is made.

    A class, or a `functools.partial` of one, says it by itself. Of a function nobody knows before
    it has made a gate: the first that it makes, for a place of the model, is asked.

    Args:
        gate: as `throttle` takes it.

    Raises:
        ValueError: if `gate` makes no gates.
    """

    def __init__(self, gate: Callable[..., Gate]):
        function = gate
        while isinstance(function, functools.partial):
            function = function.func
        is_class = inspect.isclass(function)
        if not callable(gate) or is_class and not issubclass(function, Gate):
            raise self.error(gate)
        self.gate = gate
        self.kind: type[Gate] | Gate | None = function if is_class else None
        self.first: tuple[dict, Gate] | None = None

    def error(self, gate) -> ValueError:
        return ValueError(
            "Invalid value for `gate`. Expected a class of keras_tnn.gates, or a function of "
            f"`num_groups`, `min_groups` and `name` that makes a gate. Received: gate={gate!r}"
        )

    def ask(self, **arguments):
        """Makes a function's first gate, so that `kind` is known."""
        if self.kind is None:
            self.kind = self.make(**arguments)
            self.first = (arguments, self.kind)

    def make(self, **arguments) -> Gate:
        """A gate. The one that was asked is used where it fits."""
        if self.first is not None and self.first[0] == arguments:
            made, self.first = self.first[1], None
            return made
        try:
            made = self.gate(**arguments)
        except TypeError as error:  # not a function of these arguments
            raise self.error(self.gate) from error
        if not isinstance(made, Gate):
            raise self.error(self.gate)
        return made

    def reads(self, *names: str) -> bool:
        """Whether the gates read any of these."""
        return not {*names}.isdisjoint(self.kind.reads)

    @property
    def learned(self) -> bool:
        """Whether the gates are learned."""
        cls = self.kind if inspect.isclass(self.kind) else type(self.kind)
        return issubclass(cls, LearnedGate)
