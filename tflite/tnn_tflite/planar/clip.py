"""A clip as a batch of frames, which is how 2-D layers take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers, ops


@dataclass(frozen=True)
class Clip:
    """A tensor `(batch, count, height, width, channels)` held as frames.

    Both views below differ from it in shape only, so going from one to the other moves nothing.

    Attributes:
        frames: tensor `(batch * count, height, width, channels)`.
        count: frames of one clip.
    """

    frames: keras.KerasTensor
    count: int

    @classmethod
    def of(cls, tensor: keras.KerasTensor | Clip) -> Clip:
        """The clip of a rank-5 tensor; a clip stays as it is."""
        if isinstance(tensor, Clip):
            return tensor
        _, count, *frame = tensor.shape
        return cls(reshaped(tensor, *frame), count)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(count, height, width, channels)`."""
        return (self.count, *self.frames.shape[1:])

    def whole(self) -> keras.KerasTensor:
        """The rank-5 tensor."""
        return reshaped(self.frames, *self.shape)

    def each_frame(self, layer: Callable) -> Clip:
        """Calls a layer on `(batch * count, height, width, channels)`."""
        return Clip(layer(self.frames), self.count)

    def over_time(self, layer: Callable) -> Clip:
        """Calls a layer on `(batch, count, height * width, channels)`.

        The layer may change the number of frames and channels, and leaves positions alone.
        """
        _, height, width, channels = self.shape
        outputs = layer(reshaped(self.frames, self.count, height * width, channels))
        return Clip(reshaped(outputs, height, width, outputs.shape[-1]), outputs.shape[1])


def reshaped(tensor: keras.KerasTensor, *shape: int) -> keras.KerasTensor:
    """The tensor as `(rest, *shape)`. Unlike `keras.layers.Reshape` it changes the batch axis."""
    return moved(tensor, lambda x: ops.reshape(x, (-1, *shape)))


def moved(tensor: keras.KerasTensor, move: Callable) -> keras.KerasTensor:
    """Calls a function of `keras.ops`; its node cannot clash with one of a loaded model."""
    return layers.Lambda(move, name=fresh_name("move"))(tensor)


def fresh_name(base: str) -> str:
    """A layer name that no other layer has. Keras' own numbers start anew in each process."""
    return f"planar_{base}_{keras.backend.get_uid('planar')}"
