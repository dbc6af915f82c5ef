"""The samples of one call on a network in segments: who goes on pays only for what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tnn_tflite.dispatch.answers import ALL, Answers
from tnn_tflite.policies.policy import KnownLevel

if TYPE_CHECKING:
    from tnn_tflite.dispatch.segments import Segments

GIVEN = -1  # in the place of a segment: an input of the network
Place = tuple[int, int]  # a segment, and which of its outputs


class SegmentAnswers(Answers):
    """As `Answers`, where level i is exit i: segments 0 to i run, each once for a sample.

    Args:
        network: Knows the segments, and where each finds what it reads.
        inputs: An array of shape `(batch, *spec.shape)` for each input, checked.
        found: As for `Answers`.
    """

    def __init__(
        self,
        network: Segments,
        inputs: Sequence[np.ndarray],
        found: Sequence[np.ndarray] | None = None,
    ) -> None:
        super().__init__(network, inputs, found)
        self._made: dict[int, list[np.ndarray]] = {GIVEN: list(inputs)}  # for the whole batch
        self._next: int | np.ndarray = 0  # the segment that runs next, for all or for each sample

    def _run(self, index: int, places: np.ndarray | slice) -> tuple[list[np.ndarray], bool]:
        if places is ALL:
            first, self._next = self._first(slice(0, 1)), index + 1
        else:
            first = self._first(places)
            if isinstance(self._next, int):
                self._next = np.full(self.samples, self._next)
            self._next[places] = index + 1
        all_warm, outputs = True, []
        for segment in range(first, index + 1):
            outputs, was_warm = self._run_segment(segment, places)
            all_warm &= was_warm
        # What a later segment reads may be written over by the caller, whose answer it is.
        answer = [outputs[0].copy()] if self._network.answers_read[index] else outputs[:1]
        self._keep(index, places, answer)
        self.is_warm &= all_warm
        return answer, all_warm

    def _first(self, places: np.ndarray | slice) -> int:
        """The segment that the samples of a group run next: they have come the same way."""
        if isinstance(self._next, int):
            return self._next
        return int(self._next[places][0])

    def _run_segment(self, index: int, places: np.ndarray | slice) -> tuple[list[np.ndarray], bool]:
        read = [self._made[segment][place] for segment, place in self._network.reads[index]]
        if places is not ALL:
            read = [array[places] for array in read]
        outputs, was_warm = self._network.pools[index].run_and_tell(read)
        self.runs.append((index, len(outputs[0])))
        if places is ALL:
            self._made[index] = outputs
            return outputs, was_warm
        if index not in self._made:
            self._made[index] = [
                np.empty((self.samples, *one.shape[1:]), one.dtype) for one in outputs
            ]
        for whole, part in zip(self._made[index], outputs, strict=True):
            whole[places] = part
        return outputs, was_warm

    def _macs(self, index: int) -> int:
        return self._bundle.segments[index].macs

    def _milliseconds(self, levels: Sequence[KnownLevel], index: int) -> float:
        return segment_milliseconds(levels)[index]


def segment_milliseconds(levels: Sequence[KnownLevel], percentile: int = 50) -> list[float]:
    """Returns what each segment takes, by the times of calls that end in its exit.

    Args:
        levels: The exits, measured.
        percentile: 50 for what it takes as a rule, median to median. 90 for what has to be left
            so that nine of ten calls that came so far in the usual time end in time.

    Example:

    >>> times = (1.0, 1.5, 4.0)  # of calls that run one, two and three segments
    >>> exits = [tnn_tflite.policies.KnownLevel(t / 4, 1, 1, 1, milliseconds=t) for t in times]
    >>> segment_milliseconds(exits)
    [1.0, 0.5, 2.5]
    """
    starts = [0.0, *(level.milliseconds for level in levels)]
    ends = [level.milliseconds if percentile == 50 else level.percentile_90 for level in levels]
    return [max(0.0, end - start) for start, end in zip(starts, ends, strict=False)]
