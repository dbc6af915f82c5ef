"""What is known of a tensor's channels (its last axis), before and after the cut."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops


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
        tensor: symbolic tensor `(batch, ..., len(kept))`, or None where no channel is left.
        kept: int array, indices into the original channels.
        channels: what is known of the original tensor.
    """

    tensor: Any
    kept: np.ndarray
    channels: Channels

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
        tensor = take_channels(self.tensor, np.searchsorted(self.kept, wanted[present]))
        if present.all():
            return tensor
        missing = int((~present).sum())
        tensor = ops.pad(tensor, [[0, 0]] * (len(tensor.shape) - 1) + [[0, missing]])
        # The missing channels now stand last: bring each to its place.
        place = np.argsort(np.concatenate([np.flatnonzero(present), np.flatnonzero(~present)]))
        tensor = take_channels(tensor, place)
        constants = np.where(present, 0, self.channels.fill[wanted])
        return tensor + constants if constants.any() else tensor


def take_channels(tensor, indices: np.ndarray):
    """`tensor[..., indices]`, as a slice where the indices are consecutive."""
    if len(indices) == tensor.shape[-1] and np.array_equal(indices, np.arange(len(indices))):
        return tensor
    if len(indices) and np.array_equal(indices, np.arange(indices[0], indices[-1] + 1)):
        return tensor[..., int(indices[0]) : int(indices[-1]) + 1]
    return ops.take(tensor, indices.tolist(), axis=-1)
