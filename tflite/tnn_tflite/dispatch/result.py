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
        samples: How many samples the call had; 1 for one without a batch axis.
        is_warm: Whether the level had run before. If not it was loaded for this call.
        expected_milliseconds: What the device's table has for the level and one sample, None
            where nobody has measured.
    """

    outputs: np.ndarray | dict[str, np.ndarray] = field(repr=False)  # long, and not the news
    level: Level
    milliseconds: float
    reason: str
    samples: int = 1
    is_warm: bool = True
    expected_milliseconds: float | None = None

    @property
    def utilization(self) -> float:
        """The utilization of the level that ran."""
        return self.level.utilization

    @property
    def milliseconds_per_sample(self) -> float:
        """The time of the call, divided by the number of samples in it."""
        return self.milliseconds / max(1, self.samples)  # a batch may be empty
