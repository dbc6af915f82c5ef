"""Stages of bottleneck blocks: 1x1, 3x3, 1x1 convolutions beside a shortcut."""

from dataclasses import dataclass

from keras import layers

from keras_tnn.models.normalized import normalized, relu
from keras_tnn.models.placement import Placement


@dataclass(frozen=True)
class Bottlenecks:
    """Widths of bottleneck stages. Both double from stage to stage, the image halves.

    The stride is in the 3x3 convolution ("v1.5"). A block that changes shape has a 1x1
    convolution with normalisation on its shortcut.

    Attributes:
        blocks: number of blocks of each stage.
        inner: channels of the 3x3 convolution in the first stage.
        outer: channels that blocks add up in the first stage.
        branches: groups of the 3x3 convolution, the cardinality of ResNeXt.
        gate_sums: whether the channels that blocks add up are gated.
    """

    blocks: tuple[int, ...]
    inner: int
    outer: int
    branches: int = 1
    gate_sums: bool = True

    def build(self, x, gates: Placement, open_blocks=None):
        """Appends the stages to `x`, which has a quarter of the image's sides or all of them."""
        index = 0
        for stage, count in enumerate(self.blocks):
            for block in range(count):
                label = f"stage{stage + 1}_block{block + 1}"
                strides = 2 if stage and not block else 1
                branch = self.branch(x, stage, strides, label, gates)
                branch = gates.block(branch, open_blocks, index, label)
                if not block:
                    x = normalized(x, self.outer * 2**stage, 1, strides, f"{label}_shortcut")
                x = relu(layers.Add(name=f"{label}_add")([x, branch]), label)
                if self.gate_sums:
                    x = gates.channels(x, label)
                index += 1
        return x

    def branch(self, x, stage: int, strides: int, label: str, gates: Placement):
        inner, outer = self.inner * 2**stage, self.outer * 2**stage
        x = relu(normalized(x, inner, 1, 1, f"{label}_1"), f"{label}_1")
        if self.branches == 1:
            x = gates.channels(x, f"{label}_1")
        # A branch of ResNeXt reads its own part of these channels: what closes it closes them.
        x = relu(normalized(x, inner, 3, strides, f"{label}_2", self.branches), f"{label}_2")
        x = gates.channels(x, f"{label}_2", min_groups=1 if self.branches == 1 else 0)
        return normalized(x, outer, 1, 1, f"{label}_3")
