"""The network of a bundle as something to run; each form in which it is stored is a subclass."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.programs import Program
from tnn_tflite.dispatch.answers import Answers
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.session_pool import SessionPool
from tnn_tflite.utilization import level_index


class Network(ABC):
    """Runs samples at utilizations.

    Args:
        bundle: The bundle.
        programs: Those that it runs.
        runtime: Makes the interpreters.
        cap: Bounds the memory of all that is loaded, or None.

    Attributes:
        pools: Run the programs.
        utilizations: Of the bundle's points, rising.
    """

    def __init__(
        self,
        bundle: Bundle,
        programs: Sequence[Program],
        runtime: Runtime,
        cap: MemoryCap | None = None,
    ) -> None:
        self.bundle = bundle
        self.pools = [SessionPool(bundle, program, runtime, cap) for program in programs]
        self.utilizations = [point.utilization for point in bundle.points]

    def index(self, utilization: float, exit: str | None = None) -> int:
        """Returns which of the bundle's points serves a utilization in (0, 1].

        Args:
            utilization: Of several points with the same the last serves.
            exit: Name of an exit on the way to that one, which serves in its place.

        Raises:
            ValueError: If there is no such exit.
        """
        last = level_index(self.utilizations, utilization)
        if exit is None:
            return last
        passed = self.passed(last)
        names = [self.bundle.points[index].name for index in passed]
        if exit not in names:
            expected = f"one of {names}" if names else "none, as the network has no exits"
            raise ValueError(
                f"Invalid value for `exit`. Expected {expected} at u={utilization:g}. "
                f"Received: exit={exit!r}"
            )
        return passed[names.index(exit)]

    def passed(self, index: int) -> range:
        """Returns which of the bundle's points are exits on the way to one, itself the last."""
        return range(0)

    @abstractmethod
    def answer(self, inputs: Sequence[np.ndarray], utilization: float) -> list[np.ndarray]:
        """Runs a batch at one utilization, and keeps no account of it: most calls want none.

        Args:
            inputs: An array `(batch, *spec.shape)` for each input, checked.
            utilization: In (0, 1].

        Returns:
            An array for each output.
        """

    @abstractmethod
    def answers(
        self,
        inputs: Sequence[np.ndarray],
        utilization: float | Sequence[float] | np.ndarray,
        found: Sequence[np.ndarray] | None = None,
    ) -> Answers:
        """Returns what will run a call and keep account of it.

        Args:
            inputs: As for `answer`.
            utilization: What is asked for first, in (0, 1], one or one a sample.
            found: As for `Answers`.
        """

    def warm_up(self) -> None:
        """Loads all that may run and runs each once."""
        for pool in self.pools:
            pool.warm_up()


class Levels(Network):
    """A network with a file, or a part of one, for each level."""

    def __init__(self, bundle: Bundle, runtime: Runtime, cap: MemoryCap | None = None) -> None:
        super().__init__(bundle, bundle.levels, runtime, cap)

    def answer(self, inputs: Sequence[np.ndarray], utilization: float) -> list[np.ndarray]:
        return self.pools[self.index(utilization)].run(inputs)

    def answers(
        self,
        inputs: Sequence[np.ndarray],
        utilization: float | Sequence[float] | np.ndarray,
        found: Sequence[np.ndarray] | None = None,
    ) -> Answers:
        return Answers(self, inputs, found)
