"""Where a network puts its gates: on groups of channels, on blocks, or, the twin, nowhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_tnn.gates import Gate, Nested
from keras_tnn.layers import ChannelGate, ResidualGate

AXES = ("width", "depth")


@dataclass
class Placement:
    """Puts gates into a network while it is built. A gate that is not wanted is no layer at all.

    A gate for the whole network decides once on all groups, in the order of the layers.

    Attributes:
        utilization: the model's input `u`.
        num_groups: cardinality D of widthwise gates.
        gate: class of the gates; None for `Nested`; or a class for each axis, by its name.
        throttled: false for the vanilla twin.
        axis: "width" gates groups of channels, "depth" whole blocks; or both.
        image: what a gate for the whole network may read.
        open_groups: what it opened, `(batch, groups)`; None before `decide`.
        walking: the gate that is called for block after block, and the state of its last call.
    """

    utilization: keras.KerasTensor
    num_groups: int
    gate: Callable[..., Gate] | Mapping[str, Callable[..., Gate]] | None = None
    throttled: bool = True
    axis: str | Sequence[str] = "width"
    image: keras.KerasTensor | None = None
    open_groups: keras.KerasTensor | None = None
    walking: tuple[Gate | None, Any] = field(default=(None, None))

    def __post_init__(self):
        axes = tuple(self.axis) if isinstance(self.axis, (list, tuple)) else (self.axis,)
        if not axes or not set(axes) <= {*AXES}:
            raise ValueError(
                "Invalid value for `axis`. Expected 'width' or 'depth', or both. "
                f"Received: axis={self.axis!r}"
            )
        gates = self.gate if isinstance(self.gate, Mapping) else dict.fromkeys(axes, self.gate)
        if not set(gates) <= set(axes):
            raise ValueError(
                f"Invalid value for `gate`. Expected gates for {axes}, which are gated. "
                f"Received: gates for {tuple(gates)}"
            )
        self.gates = {axis: gates.get(axis) for axis in axes} if self.throttled else {}
        if getattr(kind_of(self.gates.get("width")), "shared", False):
            raise ValueError(
                "Invalid value for `gate`. One gate that is called for block after block needs "
                f"blocks, of axis 'depth'. Received: {kind_of(self.gates['width']).__name__} for "
                "'width'"
            )

    def decide(self, count: int):
        """Lets a gate for the whole network, if there is one, decide on `count` groups."""
        gate = self.gates.get("width")
        if getattr(kind_of(gate), "whole_network", False):
            self.open_groups = gate(count, name="open_groups")(self.utilization, image=self.image)
            self.taken = 0

    def channels(
        self,
        x,
        label,
        *,
        num_groups=None,
        min_groups=1,
        channel_groups=None,
        features=None,
        shortcut=False,
    ):
        """Gates the channels of `x` in groups: contiguous ones, or as `channel_groups` says.

        Args:
            features: what the layer reads that makes the channels, and with it a gate that reads
                features.
            shortcut: whether the next layer is fed beside these channels, so that such a gate may
                close them all.
        """
        if "width" not in self.gates:
            return x
        gate, num_groups = self.gates["width"], num_groups or self.num_groups
        if self.open_groups is not None:
            return self.next_channels(x, label, num_groups)
        control, made = self.utilization, gate(num_groups, min_groups=min_groups) if gate else None
        if features is not None and made is not None and "features" in made.reads:
            least = 0 if shortcut else min_groups
            node = gate(num_groups, min_groups=least, name=f"{label}_open")
            control, made = node(self.utilization, features=features), None
        layer = ChannelGate(
            num_groups=num_groups,
            gate=made,
            min_groups=min_groups,
            channel_groups=channel_groups,
            name=f"{label}_gate",
        )
        return layer([x, control])

    def stream(self, x, label):
        """Gates channels to which several layers add; a gate that reads features has no say."""
        if "features" in getattr(kind_of(self.gates.get("width")), "reads", ()):
            return x
        return self.channels(x, label)

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
        """One gate for blocks that open in `order`, `(batch, blocks)`.

        None in other axes, and where each block is decided on by itself, from its features.
        """
        gate = self.gates.get("depth")
        if "depth" not in self.gates or "features" in getattr(kind_of(gate), "reads", ()):
            return None
        made = gate(len(order), name=name) if gate else Nested(len(order), order=order, name=name)
        return made(self.utilization, image=self.image)

    def block(self, x, open_blocks, index: int, label: str, features=None):
        """Gates the branch `x` as a whole: by entry `index` of `open_blocks`, or by a gate that
        reads the `features` in front of it.
        """
        if "depth" not in self.gates:
            return x
        if open_blocks is None:
            open_blocks, index = self.open_block(features, label), 0
        count = open_blocks.shape[-1]
        return ResidualGate(num_groups=count, index=index, name=f"{label}_gate")([x, open_blocks])

    def layer(self, x, before, open_blocks, index: int, label: str, features):
        """Gates what a layer makes as a whole, by entry `index` of `open_blocks`.

        Or by a gate that reads the `features` in front of it: then, where it is closed, what the
        layer `before` made takes its place (wang2019, Eq. 1 and Fig. 3); the first stays open.
        """
        if "depth" not in self.gates or open_blocks is not None:
            return self.block(x, open_blocks, index, label)
        if before is None:
            return x
        opened = self.open_block(features, label)
        x = ResidualGate(num_groups=1, name=f"{label}_gate")([x, opened])
        closed = ResidualGate(num_groups=1, inverted=True, name=f"{label}_closed")
        return keras.layers.Add(name=f"{label}_either")([x, closed([before, opened])])

    def open_block(self, features, label: str):
        """What a gate decides for one block from its features and, if it reads one, the state."""
        gate, state = self.walking
        if gate is None or not gate.shared:
            shared = getattr(kind_of(self.gates["depth"]), "shared", False)
            gate = self.gates["depth"](1, name="open_blocks" if shared else f"{label}_open")
        if features is not None:
            features = gate.front(features, f"{label}_open")
        opened, state = gate.parted(gate(self.utilization, features=features, state=state))
        self.walking = gate, state
        return opened


def kind_of(gate):
    """The class of gates, also of a `functools.partial`."""
    return getattr(gate, "func", gate)
