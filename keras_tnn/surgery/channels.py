"""What is known of a tensor's channels (its axis of channels), before and after the cut."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_tnn.layers.selected_channels import SelectedChannels, select_channels
from keras_tnn.surgery.calls import LAST, carries_mask, width


def total_width(tensors: tuple) -> int:
    """How many channels several tensors have together."""
    return sum(map(width, tensors))


def by_tensor(flat: np.ndarray, tensors: tuple) -> list[np.ndarray]:
    """What is said of the channels of several tensors side by side, by tensor."""
    return np.split(flat, np.cumsum([width(x) for x in tensors])[:-1])


@dataclass
class Channels:
    """Which channels of a tensor can vary, and the constant that each of the others holds.

    Attributes:
        alive: bool array `(channels,)`; false where the channel is the same for every sample and
            position.
        fill: float array `(channels,)`, the constant of each channel that is not alive.
    """

    alive: np.ndarray
    fill: np.ndarray

    @classmethod
    def all_alive(cls, size: int) -> "Channels":
        return cls(np.ones(size, bool), np.zeros(size, "float32"))

    def __post_init__(self):
        self.fill = np.where(self.alive, 0, self.fill).astype("float32")

    @classmethod
    def side_by_side(cls, parts: "list[Channels]") -> "Channels":
        """The channels of several tensors as if they were one tensor's."""
        alive, fill = ([getattr(x, name) for x in parts] for name in ("alive", "fill"))
        return cls(np.concatenate(alive), np.concatenate(fill))

    def of_each(self, tensors: tuple) -> "list[Channels]":
        """Of channels side by side, those of each tensor."""
        pairs = zip(by_tensor(self.alive, tensors), by_tensor(self.fill, tensors), strict=True)
        return [Channels(alive, fill) for alive, fill in pairs]

    @property
    def size(self) -> int:
        return len(self.alive)

    @property
    def hidden(self) -> np.ndarray:
        """Channels that hold a constant other than zero."""
        return ~self.alive & (self.fill != 0)


@dataclass
class CutTensor:
    """A tensor of the cut model: which channels of the original it holds, in rising order.

    Attributes:
        tensor: symbolic tensor, `len(kept)` long on `axis`, or None where no channel is left.
        kept: int array, indices into the original channels.
        channels: what is known of the original tensor.
        axis: on which the channels lie, from the end.
    """

    tensor: Any
    kept: np.ndarray
    channels: Channels
    axis: int = LAST

    def align(self, wanted: np.ndarray, name: str):
        """The tensor with exactly the channels `wanted`: some dropped, constants put back.

        Raises:
            ValueError: if constants are wanted and no channel is left to put them beside.
            RuntimeError: if a channel is wanted that varies and was not kept: a rule is wrong.
        """
        if self.tensor is not None and np.array_equal(self.kept, wanted):
            return self.tensor
        if self.tensor is None:
            raise ValueError(
                f"Nothing is left of the network before '{name}'. Raise `min_groups` of the gates "
                "there, or open a group of them."
            )
        present = np.isin(wanted, self.kept)
        if self.channels.alive[wanted[~present]].any():
            raise RuntimeError(f"'{name}' reads channels that its rule did not ask for.")
        channels = np.where(present, np.searchsorted(self.kept, wanted), -1)
        if carries_mask(self.tensor):
            return SelectedChannels(
                channels,
                self.channels.fill[wanted],
                axis=self.axis,
                dtype=self.tensor.dtype,
                name=f"{name}_reads_{self.tensor.name}",
            )(self.tensor)
        return select_channels(self.tensor, channels, self.channels.fill[wanted], self.axis)
