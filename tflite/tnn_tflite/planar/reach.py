"""Which entries along one axis a kernel reads."""

from __future__ import annotations

from dataclasses import dataclass

from keras import layers


@dataclass(frozen=True)
class Reach:
    """What a kernel reads along one axis.

    Attributes:
        taps: the kernel's slices along the axis that meet an entry at all. With one frame and
            "same" padding only the middle one does: the others read zeros.
        first: for each of them, the entry that the first output reads; below zero it is padding.
        stride: entries between one output and the next.
        count: outputs.
        size: entries.

    Example:

    >>> from tnn_tflite.planar.reach import Reach
    >>> layer = keras.layers.Conv3D(1, 3, strides=2, padding="same")
    >>> Reach.of(layer, axis=0, size=5)
    Reach(taps=(0, 1, 2), first=(-1, 0, 1), stride=2, count=3, size=5)
    >>> Reach.of(layer, axis=0, size=1)
    Reach(taps=(1,), first=(0,), stride=2, count=1, size=1)
    """

    taps: tuple[int, ...]
    first: tuple[int, ...]
    stride: int
    count: int
    size: int

    @classmethod
    def of(cls, layer: layers.Conv3D, axis: int, size: int) -> Reach:
        """How `layer` reads an axis (0 is time, 1 height) of `size` entries."""
        stride, dilation = layer.strides[axis], layer.dilation_rate[axis]
        span = (layer.kernel_size[axis] - 1) * dilation + 1
        if layer.padding == "same":
            count = -(-size // stride)
            before = max((count - 1) * stride + span - size, 0) // 2
        else:
            count, before = (size - span) // stride + 1, 0
        first = [tap * dilation - before for tap in range(layer.kernel_size[axis])]
        meets = [any(0 <= x < size for x in range(x, x + stride * count, stride)) for x in first]
        # Where none does (dilated, on one frame), one that reads zeros gives them their shape.
        taps = tuple(tap for tap, meets_one in enumerate(meets) if meets_one) or (0,)
        return cls(taps, tuple(first[tap] for tap in taps), stride, count, size)

    @classmethod
    def everything(cls, size: int) -> Reach:
        """One tap that reads the axis as it is."""
        return cls((0,), (0,), 1, size, size)

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros that are read before and after the entries."""
        last = max(self.first) + self.stride * (self.count - 1)
        return max(0, -min(self.first)), max(0, last - self.size + 1)

    @property
    def slices(self) -> list[slice]:
        """For each tap the entries it reads, counted with `padding`."""
        starts = [first + self.padding[0] for first in self.first]
        length = self.stride * (self.count - 1) + 1
        return [slice(start, start + length, self.stride) for start in starts]
