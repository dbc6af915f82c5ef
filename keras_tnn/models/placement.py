"""Where a network puts its gates: on groups of channels, on blocks, or, the twin, nowhere."""

from dataclasses import dataclass

import keras
import numpy as np

from keras_tnn.gates import Gate, Nested
from keras_tnn.layers import ChannelGate, ResidualGate


@dataclass
class Placement:
    """Puts gates into a network while it is built. A gate that is not wanted is no layer at all.

    A gate for the whole network decides once on all groups, in the order of the layers.

    Attributes:
        utilization: the model's input `u`.
        num_groups: cardinality D of widthwise gates.
        gate: class of the gates; None for `Nested`.
        throttled: false for the vanilla twin.
        axis: "width" gates groups of channels, "depth" whole blocks.
        image: what a gate for the whole network may read.
        open_groups: what it opened, `(batch, groups)`; None before `decide`.
    """

    utilization: keras.KerasTensor
    num_groups: int
    gate: type[Gate] | None = None
    throttled: bool = True
    axis: str = "width"
    image: keras.KerasTensor | None = None
    open_groups: keras.KerasTensor | None = None

    def __post_init__(self):
        if self.axis not in ("width", "depth"):
            raise ValueError(
                "Invalid value for `axis`. Expected 'width' or 'depth'. "
                f"Received: axis={self.axis!r}"
            )

    def decide(self, count: int):
        """Lets a gate for the whole network, if there is one, decide on `count` groups."""
        kind = getattr(self.gate, "func", self.gate)  # of a functools.partial
        if self.throttled and getattr(kind, "whole_network", False):
            self.open_groups = self.gate(count, name="open_groups")(
                self.utilization, image=self.image
            )
            self.taken = 0

    def channels(self, x, label, *, num_groups=None, min_groups=1, channel_groups=None):
        """Gates the channels of `x` in groups: contiguous ones, or as `channel_groups` says."""
        if not self.throttled or self.axis != "width":
            return x
        num_groups = num_groups or self.num_groups
        if self.open_groups is not None:
            return self.next_channels(x, label, num_groups)
        made = self.gate(num_groups, min_groups=min_groups) if self.gate else None
        layer = ChannelGate(
            num_groups=num_groups,
            gate=made,
            min_groups=min_groups,
            channel_groups=channel_groups,
            name=f"{label}_gate",
        )
        return layer([x, self.utilization])

    def next_channels(self, x, label, num_groups: int):
        """Gates the channels of `x` by the next groups of those of the whole network."""
        groups = self.taken + np.repeat(np.arange(num_groups), x.shape[-1] // num_groups)
        self.taken += num_groups
        layer = ChannelGate(
            num_groups=self.open_groups.shape[-1],
            channel_groups=groups.tolist(),
            name=f"{label}_gate",
        )
        return layer([x, self.open_groups])

    def open_blocks(self, order: list[int], name: str = "open_blocks"):
        """One gate for blocks that open in `order`, `(batch, blocks)`; None in other axes."""
        if not self.throttled or self.axis != "depth":
            return None
        made = (
            self.gate(len(order), name=name)
            if self.gate
            else Nested(len(order), order=order, name=name)
        )
        return made(self.utilization, image=self.image)

    def block(self, x, open_blocks, index: int, label: str):
        """Gates the branch `x` as a whole, by entry `index` of `open_blocks`."""
        if open_blocks is None:
            return x
        count = open_blocks.shape[-1]
        return ResidualGate(num_groups=count, index=index, name=f"{label}_gate")([x, open_blocks])
