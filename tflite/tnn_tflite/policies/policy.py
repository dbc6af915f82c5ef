"""What a policy is: it sees the levels and the inputs, chooses, may go on, and learns."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tnn_tflite.dispatch.result import Result

# What a call was given: for the name of each input an array of shape (batch, *shape of a sample).
Inputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class KnownLevel:
    """What a policy knows of a level. What was never measured is None.

    Args:
        utilization: How much of the network runs, in (0, 1].
        macs: Multiply-accumulate operations for one sample.
        parameters: Number of weights.
        bytes: Size of the level's file in bytes.
        milliseconds: Median time of a call with one sample, as the device's table has it.
        percentile_90: Nine of ten such calls took at most so many milliseconds.
        joules: Energy of one inference.
        accuracy: In [0, 1].
        exit: Name of the exit that answers; None for a level that has none.
    """

    utilization: float
    macs: int
    parameters: int
    bytes: int
    milliseconds: float | None = None
    percentile_90: float | None = None
    joules: float | None = None
    accuracy: float | None = None
    exit: str | None = None


@dataclass(frozen=True)
class Choice:
    """What a policy chose.

    Args:
        utilization: In (0, 1]. The highest level that is not above it runs. An array of shape
            `(batch,)` gives each sample its own, and 0 to one that keeps the answer it has.
        reason: Why, in words.
        answers: For each output an array `(batch, *shape)`, where the choice itself found answers:
            samples whose utilization is 0 keep them.
        macs: Multiply-accumulate operations of the choice itself, for one sample.
        is_warm: Whether nothing had to be loaded for the choice.
        exit: Of a network with exits at several levels, the one that answers, for all samples;
            None for the last.
    """

    utilization: float | np.ndarray
    reason: str
    answers: Sequence[np.ndarray] | None = field(default=None, repr=False)
    macs: int = field(default=0, repr=False)
    is_warm: bool = field(default=True, repr=False)
    exit: str | None = field(default=None, repr=False)


class Policy(abc.ABC):
    """Chooses the level of each call. Subclasses implement `choose`.

    Several threads may call its methods at once: a policy that keeps state guards it
    with a lock. A policy that keeps state belongs to one dispatcher.

    `needs_times` says that `choose` reads `milliseconds`. The dispatcher then measures the levels
    before the first choice if the device has no table of them.

    `sees_exits` says that, of a network with exits at several levels, `choose` is shown each exit
    of each level. Else it is shown the levels as wholes, which end in the last exit.

    Example:

    >>> class SmallFiles(tnn_tflite.policies.Policy):
    ...     def __init__(self, largest):
    ...         self.largest = largest
    ...
    ...     def choose(self, levels, inputs):
    ...         fitting = [level for level in levels if level.bytes <= self.largest]
    ...         best = fitting[-1] if fitting else levels[0]
    ...         return tnn_tflite.policies.Choice(best.utilization, f"{best.bytes} bytes")
    >>> low = tnn_tflite.policies.KnownLevel(0.5, macs=10, parameters=4, bytes=900)
    >>> high = tnn_tflite.policies.KnownLevel(1.0, macs=40, parameters=16, bytes=2500)
    >>> SmallFiles(1000).choose((low, high), {})
    Choice(utilization=0.5, reason='900 bytes')
    """

    needs_times = False
    sees_exits = False

    @abc.abstractmethod
    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        """Chooses the level of the next call.

        Args:
            levels: The levels, rising in utilization.
            inputs: What the call was given: for the name of each input its array, checked, with
                a batch axis in front. Not to be changed: it may be the caller's own.

        Returns:
            The choice and its reason.
        """

    def go_on(self, levels: Sequence[KnownLevel], result: Result) -> Choice | None:
        """Looks at answers and may have a higher level answer instead. Does not, here.

        Args:
            levels: The levels, rising in utilization.
            result: Of samples of the call that one level just ran. Its outputs always have a batch
                axis.

        Returns:
            None if all of them keep their answers. Else the choice for these samples: levels above
            `result.level`, or 0 for one that keeps its answer.
        """
        return None

    def observe(self, result: Result) -> None:  # noqa: B027  (most policies keep no state)
        """Is told what came of a call that this policy chose. Does nothing here.

        Args:
            result: The outputs, not to be changed, the level and the time. Where
                `result.is_warm` is False the level was loaded for this call, and its time says
                nothing of the next.
        """
