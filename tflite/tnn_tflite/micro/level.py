"""What a firmware knows about a level, and about a segment of a network with exits."""

from dataclasses import dataclass

from tnn_tflite.lint.operator_graph import OperatorGraph


@dataclass(frozen=True, eq=False)
class MicroLevel:
    """One level as it goes into a firmware.

    Args:
        utilization: How much of the network runs, in (0, 1].
        content: The bytes of the `.tflite` file.
        macs: Multiply-accumulate operations for one sample.
        arena_bytes: The smallest arena that was measured, or None.
        graph: What the file says.
    """

    utilization: float
    content: bytes
    macs: int
    arena_bytes: int | None
    graph: OperatorGraph

    @property
    def label(self) -> str:
        """What tables call it."""
        return f"{self.utilization:g}"


@dataclass(frozen=True, eq=False)
class MicroSegment(MicroLevel):
    """One segment as it goes into a firmware; those of a level run in turn.

    Args:
        utilization: Of its level, in (0, 1]; 1 where the bundle has one level. For what else it has
            see `MicroLevel`, where each is that of this segment alone.
        exit: Name of the exit that it ends in.
        origins: For each input, in the interpreter's order, the number of the segment of this level
            that hands it on and which of its outputs that is; of an input of the network -1 and
            which one.
        answer: Which output, in the interpreter's order, is the exit's.
    """

    exit: str
    origins: tuple[tuple[int, int], ...]
    answer: int

    @property
    def label(self) -> str:
        return f"{self.utilization:g} {self.exit}"
