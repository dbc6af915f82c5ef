"""What a firmware knows about a level."""

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
