"""Convolutions: dense ones mix all channels, depthwise ones keep each to itself."""

import numpy as np
from keras import layers, ops

from keras_tnn.surgery.channels import Channels, Piece
from keras_tnn.surgery.rule import Rule, rule
from keras_tnn.surgery.rules.per_channel import PerChannel, activate, is_elementwise


def pads(layer) -> bool:
    """Whether zeros around the border make a constant input vary."""
    return layer.padding != "valid" and any(size > 1 for size in layer.kernel_size)


def bias_of(layer) -> np.ndarray:
    return ops.convert_to_numpy(layer.bias) if layer.use_bias else np.float32(0)


class Mixing(Rule):
    """Every output channel reads every input channel.

    Constants at the input are folded into the bias; where padding forbids it they are put back
    as real channels. Subclasses name the argument that counts the outputs and say how weights
    are cut.
    """

    outputs_argument = "filters"

    def mixes(self, layer) -> bool:
        """Whether the layer is of the simple kind: no groups, channels last, elementwise."""
        return (
            getattr(layer, "groups", 1) == 1
            and getattr(layer, "data_format", "channels_last") == "channels_last"
        )

    def folds(self, layer, channels: Channels) -> bool:
        return not (channels.hidden.any() and pads(layer))

    def constant(self, layer, fill: np.ndarray) -> np.ndarray:
        """What the constants `fill` add to each output, `(outputs,)`."""
        kernel = ops.convert_to_numpy(layer.kernel)
        return fill @ kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0)

    def slices(self, layer, read: np.ndarray, kept: np.ndarray) -> list[tuple]:
        """For each weight but the bias, its kept indices an axis."""
        return [(*(None,) * (len(layer.kernel.shape) - 2), read, kept)]

    def forward(self, call, inputs):
        layer, channels = call.operation, inputs[0]
        size = call.output.shape[-1]
        if not self.mixes(layer) or channels.alive.any() or not self.folds(layer, channels):
            return Channels.all_alive(size)
        constant = self.constant(layer, channels.fill) + bias_of(layer)
        return Channels(np.zeros(size, bool), activate(layer.activation, constant))

    def build(self, call, inputs, output, needed, builder):
        layer, channels = call.operation, inputs[0].channels
        if not self.mixes(layer):
            return super().build(call, inputs, output, needed, builder)
        elementwise = is_elementwise(layer.activation)
        kept = np.flatnonzero(output.alive & needed if elementwise else np.ones(output.size, bool))
        if not len(kept):
            return Piece(None, kept, output)
        folds = self.folds(layer, channels)
        read = np.flatnonzero(channels.alive if folds else channels.alive | channels.hidden)
        offset = (
            self.constant(layer, channels.fill)[kept] if folds and channels.hidden.any() else None
        )
        tensor = builder.replace(
            call,
            [inputs[0].align(read, call.name)],
            {self.outputs_argument: len(kept)},
            self.slices(layer, read, kept),
            bias=(kept, offset),
        )
        return Piece(tensor, kept, output)


@rule(layers.Conv1D, layers.Conv2D, layers.Conv3D)
class ConvolutionRule(Mixing):
    """y = activation(kernel * x + bias)."""


@rule(layers.SeparableConv1D, layers.SeparableConv2D)
class SeparableRule(Mixing):
    """A depthwise convolution followed by a 1x1 one that mixes."""

    def constant(self, layer, fill):
        depthwise = ops.convert_to_numpy(layer.depthwise_kernel)
        depthwise = depthwise.reshape(-1, *depthwise.shape[-2:]).sum(axis=0)  # (inputs, multiplier)
        pointwise = ops.convert_to_numpy(layer.pointwise_kernel)
        pointwise = pointwise.reshape(pointwise.shape[-2:])  # (inputs * multiplier, outputs)
        return (fill[:, None] * depthwise).reshape(-1) @ pointwise

    def slices(self, layer, read, kept):
        spatial = (None,) * (len(layer.depthwise_kernel.shape) - 2)
        rows = spread(read, layer.depth_multiplier)
        return [(*spatial, read, None), (*spatial, rows, kept)]


def spread(indices: np.ndarray, times: int) -> np.ndarray:
    """Indices of the outputs when each input channel has `times` outputs next to each other."""
    return (indices[:, None] * times + np.arange(times)).reshape(-1)


@rule(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
class DepthwiseRule(PerChannel):
    """Each input channel has `depth_multiplier` outputs of its own."""

    def forward(self, call, inputs):
        layer, channels = call.operation, inputs[0]
        times = layer.depth_multiplier
        kernel = ops.convert_to_numpy(layer.kernel)
        constant = kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0) * channels.fill[:, None]
        constant = activate(layer.activation, constant.reshape(-1) + bias_of(layer))
        varies = channels.alive | (channels.hidden & pads(layer))
        return Channels(np.repeat(varies, times), constant)

    def backward(self, call, inputs, needed):
        return [needed.reshape(-1, call.operation.depth_multiplier).any(axis=1)]

    def build(self, call, inputs, output, needed, builder):
        times = call.operation.depth_multiplier
        read = np.flatnonzero((output.alive & needed).reshape(-1, times).any(axis=1))
        kept = spread(read, times)
        if not len(kept):
            return Piece(None, kept, output)
        slices = [(None,) * (len(call.operation.kernel.shape) - 2) + (read, None)]
        if call.operation.use_bias:
            slices.append((kept,))
        tensor = inputs[0].align(read, call.name)
        return Piece(builder.repeat(call, [tensor], slices), kept, output)
