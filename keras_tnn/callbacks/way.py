"""The way of a schedule that moves from epoch to epoch, and whether a run is long enough for it."""

import math
import warnings
from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """From the first value of a schedule to its last.

    Attributes:
        length: how far the value moves in all, 0 or more.
        step: how far at a time.
        every: epochs between two steps.
        end: what is at the end, in words.
    """

    length: float
    step: float
    every: int
    end: str

    @property
    def epochs(self) -> int:
        """How many it takes until one runs with the last value."""
        return self.every * math.ceil(round(self.length / self.step, 6)) + 1

    def step_within(self, epochs: int) -> float | None:
        """A step, of three digits, that comes to the end within so many epochs; or None."""
        moves = (epochs - 1) // self.every
        return min(1.0, math.ceil(1000 * round(self.length / moves, 6)) / 1000) if moves else None


def warn_if_too_short(name: str, way: Way, epochs: int | None, stacklevel: int = 3):
    """Warns where a run ends before the schedule does.

    Args:
        name: of the callback.
        way: that of its schedule.
        epochs: of the run; None where it is not known.
        stacklevel: as for `warnings.warn`.
    """
    if epochs is None or epochs >= way.epochs:
        return
    step = way.step_within(epochs)
    fitting = "" if step is None else f", or step={step:g} with epochs={epochs}"
    warnings.warn(
        f"{name}: training ends before {way.end}. Expected at least epochs={way.epochs} with "
        f"step={way.step:g}, every={way.every}{fitting}. Received: epochs={epochs}",
        stacklevel=stacklevel,
    )
