"""The samples of one call on a network in segments: who goes on pays only for what comes next."""

from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.dispatch.answers import ALL, Answers
from tnn_tflite.dispatch.session_pool import SessionPool
from tnn_tflite.policies.policy import KnownLevel


class SegmentAnswers(Answers):
    """As `Answers`, where level i is exit i: segments 0 to i run, each once for a sample.

    Args:
        bundle: The bundle.
        pools: Run its segments, in order.
        inputs: An array of shape `(batch, *spec.shape)` for each input, checked.
    """

    def __init__(
        self,
        bundle: Bundle,
        pools: Sequence[SessionPool],
        inputs: Sequence[np.ndarray],
        found: Sequence[np.ndarray] | None = None,
    ) -> None:
        super().__init__(bundle, pools, inputs, found)
        names = [spec.name for spec in bundle.inputs]
        self._given = dict(zip(names, inputs, strict=True))
        self._origins = {(e.target, e.input): (e.source, e.output) for e in bundle.edges}
        self._handed_on = {*self._origins.values()}
        self._answers = {(one.name, one.outputs[0].name) for one in bundle.segments}
        self._handed: dict[tuple[str, str], np.ndarray] = {}  # by program and output, whole batch
        self._next = np.zeros(self.samples, int)  # the segment that each sample runs next

    def _run(self, index: int, places: np.ndarray | slice) -> tuple[list[np.ndarray], bool]:
        first = int(self._next[places][0]) if self.samples else 0  # a group has come the same way
        all_warm, outputs = True, []
        for segment in range(first, index + 1):
            outputs, was_warm = self._run_segment(segment, places)
            all_warm &= was_warm
        answer = outputs[:1]
        if places is ALL:
            self._found = answer
        else:
            self.outputs[0][places] = answer[0]
        self.by[places] = index
        self._next[places] = index + 1
        self.is_warm &= all_warm
        return answer, all_warm

    def _run_segment(self, index: int, places: np.ndarray | slice) -> tuple[list[np.ndarray], bool]:
        program = self._bundle.segments[index]
        read = [self._tensor(program.name, spec.name)[places] for spec in program.inputs]
        outputs, was_warm = self._pools[index].run_and_tell(read)
        for spec, array in zip(program.outputs, outputs, strict=True):
            self._hand_on((program.name, spec.name), array, places)
        self.runs.append((index, len(outputs[0])))
        return outputs, was_warm

    def _tensor(self, target: str, name: str) -> np.ndarray:
        origin = self._origins.get((target, name))
        return self._given[name] if origin is None else self._handed[origin]

    def _hand_on(self, key: tuple[str, str], array: np.ndarray, places: np.ndarray | slice) -> None:
        if key not in self._handed_on:
            return
        if places is ALL:  # an answer that is read on belongs to the caller
            self._handed[key] = array.copy() if key in self._answers else array
            return
        if key not in self._handed:
            self._handed[key] = np.empty((self.samples, *array.shape[1:]), array.dtype)
        self._handed[key][places] = array

    def _macs(self, index: int) -> int:
        return self._bundle.segments[index].macs

    def _milliseconds(self, levels: Sequence[KnownLevel], index: int) -> float:
        return segment_milliseconds(levels)[index]


def segment_milliseconds(levels: Sequence[KnownLevel]) -> list[float]:
    """Returns what each segment takes, by the times of calls that end in its exit.

    Args:
        levels: The exits, measured.

    Example:

    >>> times = (1.0, 1.5, 4.0)  # of calls that run one, two and three segments
    >>> exits = [tnn_tflite.policies.KnownLevel(t / 4, 1, 1, 1, milliseconds=t) for t in times]
    >>> segment_milliseconds(exits)
    [1.0, 0.5, 2.5]
    """
    times = [level.milliseconds for level in levels]
    return [max(0.0, t - before) for t, before in zip(times, [0.0, *times], strict=False)]
