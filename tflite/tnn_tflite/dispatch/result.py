"""What a call gave, and why it was this level."""

from dataclasses import dataclass, field

import numpy as np

from tnn_tflite.bundle.exit_level import ExitLevel, exit_of
from tnn_tflite.bundle.programs import Level
from tnn_tflite.dispatch.pattern import Pattern


@dataclass(frozen=True)
class Result:
    """The answer of `Dispatcher.run`.

    Args:
        outputs: What the dispatcher itself returns: an array, or a dictionary by name.
        level: The level or the exit that answered; of a batch, the highest that did.
        milliseconds: Time of the call; the loading of the level is in it at its first use.
        reason: Why, in words.
        samples: How many samples the call had; 1 for one without a batch axis.
        is_warm: Whether all that ran had run before. If not it was loaded for this call.
        expected_milliseconds: What the device's table has for the levels that ran and one sample,
            None where nobody has measured.
        levels: The levels that ran, in this order. None of them where a controller answered.
        utilizations: For each sample that of the level that answered.
        macs: Multiply-accumulate operations of the call, those of the choice included.
        choice_macs: Those of the choice: of a controller, 0 where a rule chose.
        choice_milliseconds: Time of the choice.
        patterns: For each sample what a budget policy opened; empty for a bundle without one.
    """

    outputs: np.ndarray | dict[str, np.ndarray] = field(repr=False)  # long, and not the news
    level: Level | ExitLevel
    milliseconds: float
    reason: str
    samples: int = 1
    is_warm: bool = True
    expected_milliseconds: float | None = None
    levels: tuple[Level | ExitLevel, ...] = ()
    utilizations: tuple[float, ...] = field(default=(), repr=False)
    macs: int = 0
    choice_macs: int = 0
    choice_milliseconds: float = 0.0
    patterns: tuple[Pattern, ...] = field(default=(), repr=False)

    @property
    def exit(self) -> str | None:
        """The name of the exit that answered, None for a level."""
        return exit_of(self.level)

    @property
    def utilization(self) -> float:
        """The utilization of the level that answered."""
        return self.level.utilization

    @property
    def milliseconds_per_sample(self) -> float:
        """The time of the call, divided by the number of samples in it."""
        return self.milliseconds / max(1, self.samples)  # a batch may be empty
