"""A network in segments, from one exit to the next."""

from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.network import Network
from tnn_tflite.dispatch.segment_answers import GIVEN, Place, SegmentAnswers


class Segments(Network):
    """Level i is exit i: segments 0 to i run. Where each finds what it reads is looked up once.

    Args:
        bundle: A bundle with segments.
        runtime: Makes the interpreters.
        cap: Bounds the memory of all that is loaded, or None.

    Attributes:
        reads: For each segment the place of each input.
        answers_read: For each exit whether a later segment reads its answer.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime, cap: MemoryCap | None = None) -> None:
        super().__init__(bundle, bundle.segments, runtime, cap)
        places: dict[tuple[str, str], Place] = {
            (one.name, spec.name): (index, output)
            for index, one in enumerate(bundle.segments)
            for output, spec in enumerate(one.outputs)
        }
        given = {spec.name: (GIVEN, place) for place, spec in enumerate(bundle.inputs)}
        origins = {(e.target, e.input): places[e.source, e.output] for e in bundle.edges}
        self.reads: list[list[Place]] = [
            [origins.get((one.name, spec.name), given.get(spec.name)) for spec in one.inputs]
            for one in bundle.segments
        ]
        read = {place for reads in self.reads for place in reads}
        self.answers_read = [(index, 0) in read for index in range(len(self.reads))]

    def answer(self, inputs: Sequence[np.ndarray], utilization: float) -> list[np.ndarray]:
        made, last = {GIVEN: inputs}, self.index(utilization)
        for segment in range(last + 1):
            read = [made[origin][place] for origin, place in self.reads[segment]]
            made[segment] = self.pools[segment].run(read)
        return made[last][:1]

    def answers(
        self,
        inputs: Sequence[np.ndarray],
        utilization: float | Sequence[float] | np.ndarray = 1.0,
        found: Sequence[np.ndarray] | None = None,
    ) -> SegmentAnswers:
        return SegmentAnswers(self, inputs, found)

    def passed(self, index: int) -> range:
        return range(index + 1)

    def chain(self, index: int) -> "Segments":
        """Returns the segments that run to one of the bundle's points."""
        return self
