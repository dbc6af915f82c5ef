"""A network with exits at several levels: for each level its own segments."""

from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.dispatch.answers import ALL, Answers
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.network import Network
from tnn_tflite.dispatch.segments import Segments


class SegmentsOfLevels(Network):
    """Each point is an exit of a level: the segments of that level run up to it.

    What one level has computed is of no use to another, so who goes on to a higher level begins
    at the input.

    Args:
        bundle: A bundle with segments of several levels.
        runtime: Makes the interpreters.
        cap: Bounds the memory of all that is loaded, or None.

    Attributes:
        chains: The segments of each level, rising.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime, cap: MemoryCap | None = None) -> None:
        super().__init__(bundle, (), runtime, cap)
        self.chains = [Segments(chain, runtime, cap) for chain in bundle.chains]
        self.pools = [
            _WayToExit(chain, exit) for chain in self.chains for exit in range(len(chain.pools))
        ]

    def answer(self, inputs: Sequence[np.ndarray], utilization: float) -> list[np.ndarray]:
        return self.pools[self.index(utilization)].run(inputs)

    def answers(
        self,
        inputs: Sequence[np.ndarray],
        utilization: float | Sequence[float] | np.ndarray = 1.0,
        found: Sequence[np.ndarray] | None = None,
    ) -> Answers:
        return Answers(self, inputs, found)

    def passed(self, index: int) -> range:
        return range(index - self.pools[index].exit, index + 1)

    def chain(self, index: int) -> Segments:
        """Returns the segments that run to one of the bundle's points."""
        return self.pools[index].chain

    def warm_up(self) -> None:
        for chain in self.chains:
            chain.warm_up()


class _WayToExit:
    """The segments of a level up to an exit, run as one program is."""

    def __init__(self, chain: Segments, exit: int) -> None:
        self.chain, self.exit = chain, exit

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self.run_and_tell(inputs)[0]

    def run_and_tell(self, inputs: Sequence[np.ndarray]) -> tuple[list[np.ndarray], bool]:
        answers = self.chain.answers(inputs)
        answers.run([(self.exit, ALL)])
        return answers.outputs, answers.is_warm
