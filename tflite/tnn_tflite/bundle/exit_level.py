"""An exit of a network in segments, as what a dispatcher chooses from: all that runs up to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tnn_tflite.bundle.programs import LevelSegment, Program, Quantization


@dataclass(frozen=True)
class ExitLevel:
    """One exit of a network with several, as an operating point.

    Args:
        name: Of the exit and of the segment that ends in it.
        utilization: Share of the network's multiply-accumulates that run up to it, in (0, 1]; in a
            bundle of several levels that of its level, the same for all exits of the level.
        macs: Multiply-accumulate operations for one sample.
        parameters: Number of weights.
        bytes: Size of the files.
        file: Name of the last of them.
        output_quantization: As a `Program` has it, of the exit's output.
        input_quantization: The same of the inputs of the network.
        accuracy: Share of held-out samples for which it is right, where the bundle knows.
    """

    name: str
    utilization: float
    macs: int
    parameters: int
    bytes: int
    file: str
    output_quantization: tuple[Quantization | None, ...] = ()
    input_quantization: tuple[Quantization | None, ...] = ()
    accuracy: float | None = None

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"exit '{self.name}'"

    @property
    def arguments(self) -> dict[str, float | str]:
        """Those by which a `Dispatcher` runs it."""
        return {"utilization": self.utilization}


@dataclass(frozen=True)
class ExitAtLevel(ExitLevel):
    """One exit of a network at one of its levels; what it has is that of an `ExitLevel`."""

    @property
    def title(self) -> str:
        return f"{super().title} at u={self.utilization:g}"

    @property
    def arguments(self) -> dict[str, float | str]:
        return {**super().arguments, "exit": self.name}


def exit_of(level: ExitLevel | Program) -> str | None:
    """Returns the name of the exit that a point is, None for a level that has none."""
    return level.name if isinstance(level, ExitLevel) else None


def exits_behind(
    segments: Sequence[Program], inputs: tuple[Quantization | None, ...] = ()
) -> tuple[ExitLevel, ...]:
    """Returns the exit that each segment ends in, with all that runs up to it.

    Args:
        segments: Those of a network, or of one level of it, in the order in which they run.
        inputs: How integers of the network's inputs stand for reals.
    """
    total = sum(one.macs for one in segments)
    exits: list[ExitLevel] = []
    macs = parameters = size = 0
    for one in segments:
        macs, parameters, size = macs + one.macs, parameters + one.parameters, size + one.bytes
        rest = (macs, parameters, size, one.file, one.output_quantization[:1], inputs)
        if isinstance(one, LevelSegment):
            exits.append(ExitAtLevel(one.exit, one.utilization, *rest, one.accuracy))
        else:
            exits.append(ExitLevel(one.name, macs / total, *rest))
    return tuple(exits)
