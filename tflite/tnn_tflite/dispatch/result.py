"""What a call gave, and why it was this level."""

from dataclasses import dataclass, field

import numpy as np

from tnn_tflite.bundle.description import Level


@dataclass(frozen=True)
class Result:
    """The answer of `Dispatcher.run`.

    Args:
        outputs: What the dispatcher itself returns: an array, or a dictionary by name.
        level: The level that ran.
        milliseconds: Time of the call; the loading of the level is in it at its first use.
        reason: Why this level ran, in words.
    """

    outputs: np.ndarray | dict[str, np.ndarray] = field(repr=False)  # long, and not the news
    level: Level
    milliseconds: float
    reason: str

    @property
    def utilization(self) -> float:
        """The utilization of the level that ran."""
        return self.level.utilization
