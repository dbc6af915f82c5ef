"""Convolutions that mix all channels, and those that keep each to itself."""

import numpy as np
from keras import layers, ops

from keras_tnn.surgery.channels import Channels, Piece
from keras_tnn.surgery.rule import Rule, rule
from keras_tnn.surgery.rules.elementwise import activate, is_elementwise
from keras_tnn.surgery.rules.per_channel import PerChannel
from keras_tnn.surgery.slices import merged_weights


def pads(layer) -> bool:
    """Whether zeros around the border make a constant input vary."""
    return layer.padding != "valid" and any(size > 1 for size in layer.kernel_size)


def bias_of(layer) -> np.ndarray:
    return ops.convert_to_numpy(layer.bias) if layer.use_bias else np.float32(0)


def is_plain(layer, num_kernels: int = 1) -> bool:
    """Whether the channels are last and the weights no more than kernels and a bias."""
    last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return last and len(merged_weights(layer)) == num_kernels + bool(layer.use_bias)


class Mixing(Rule):
    """Every output channel reads every input channel.

    Constants at the input are folded into the bias; where padding forbids it they are put back
    as real channels. Subclasses name the argument that counts the outputs and say how weights
    are cut.
    """

    outputs_argument = "filters"

    def applies(self, call):
        return is_plain(call.operation) and getattr(call.operation, "groups", 1) == 1

    def folds(self, layer, channels: Channels) -> bool:
        return not (channels.hidden.any() and pads(layer))

    def constant(self, layer, fill: np.ndarray) -> np.ndarray:
        """What the constants `fill` add to each output, `(outputs,)`."""
        kernel = ops.convert_to_numpy(layer.kernel)
        return fill @ kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0)

    def slices(self, layer, read: np.ndarray, kept: np.ndarray) -> list[tuple]:
        """For each weight but the bias, its kept indices an axis."""
        return [(*(None,) * (len(layer.kernel.shape) - 2), read, kept)]

    def importance(self, call) -> np.ndarray:
        """L1 norm of the weights that read each input channel, `(inputs,)`."""
        kernel = np.abs(ops.convert_to_numpy(call.operation.kernel))
        return kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=(0, 2))

    def tie(self, call, inputs, ties):
        ties.mixed.append(call)
        fresh = ties.fresh if is_elementwise(call.operation.activation) else ties.pinned
        return fresh(call.output.shape[-1])

    def forward(self, call, inputs):
        layer, channels = call.operation, inputs[0]
        size = call.output.shape[-1]
        if channels.alive.any() or not self.folds(layer, channels):
            return super().forward(call, inputs)
        constant = self.constant(layer, channels.fill) + bias_of(layer)
        return Channels(np.zeros(size, bool), activate(layer.activation, constant))

    def build(self, call, inputs, output, needed, builder):
        layer, channels = call.operation, inputs[0].channels
        elementwise = is_elementwise(layer.activation)
        kept = np.flatnonzero(output.alive & needed if elementwise else np.ones(output.size, bool))
        folds = self.folds(layer, channels)
        read = np.flatnonzero(channels.alive if folds else channels.alive | channels.hidden)
        fold = folds and channels.hidden.any()
        tensor = builder.repeat(
            call,
            [inputs[0].align(read, call.name)],
            [*self.slices(layer, read, kept), *([(kept,)] if layer.use_bias else [])],
            {self.outputs_argument: len(kept)},
            offset=self.constant(layer, channels.fill)[kept] if fold else None,
        )
        return Piece(tensor, kept, output)


@rule(layers.Conv1D, layers.Conv2D, layers.Conv3D)
class ConvolutionRule(Mixing):
    """y = activation(kernel * x + bias), in one group."""


@rule(layers.SeparableConv1D, layers.SeparableConv2D)
class SeparableRule(Mixing):
    """A depthwise convolution followed by a 1x1 one that mixes."""

    def applies(self, call):
        return is_plain(call.operation, num_kernels=2)

    def kernels(self, layer) -> tuple[np.ndarray, np.ndarray]:
        """Depthwise (positions, inputs, multiplier) and pointwise (inputs, multiplier, outputs)."""
        depthwise = ops.convert_to_numpy(layer.depthwise_kernel)
        pointwise = ops.convert_to_numpy(layer.pointwise_kernel)
        depthwise = depthwise.reshape(-1, *depthwise.shape[-2:])
        return depthwise, pointwise.reshape(*depthwise.shape[-2:], -1)

    def constant(self, layer, fill):
        depthwise, pointwise = self.kernels(layer)
        return np.einsum("i,pim,imo->o", fill, depthwise, pointwise)

    def importance(self, call):
        depthwise, pointwise = (np.abs(kernel) for kernel in self.kernels(call.operation))
        return np.einsum("pim,imo->i", depthwise, pointwise)

    def slices(self, layer, read, kept):
        spatial = (None,) * (len(layer.depthwise_kernel.shape) - 2)
        rows = spread(read, layer.depth_multiplier)
        return [(*spatial, read, None), (*spatial, rows, kept)]


@rule(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
class TransposedRule(Mixing):
    """Its kernel is (..., outputs, inputs). Strides make a constant input vary: it is put back."""

    def folds(self, layer, channels):
        return not channels.hidden.any()

    def constant(self, layer, fill):
        return np.zeros(layer.kernel.shape[-2], "float32")

    def importance(self, call):
        kernel = np.abs(ops.convert_to_numpy(call.operation.kernel))
        return kernel.reshape(-1, kernel.shape[-1]).sum(axis=0)

    def slices(self, layer, read, kept):
        return [(*(None,) * (len(layer.kernel.shape) - 2), kept, read)]


def spread(indices: np.ndarray, times: int) -> np.ndarray:
    """Indices of the outputs when each input channel has `times` outputs next to each other."""
    return (indices[:, None] * times + np.arange(times)).reshape(-1)


@rule(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
class DepthwiseRule(PerChannel):
    """Each input channel has `depth_multiplier` outputs of its own."""

    def applies(self, call):
        return is_plain(call.operation) and is_elementwise(call.operation.activation)

    def source(self, call, size):
        return np.repeat(np.arange(size), call.operation.depth_multiplier)

    def fill(self, call, fill):
        layer = call.operation
        kernel = ops.convert_to_numpy(layer.kernel)
        constant = kernel.reshape(-1, layer.kernel.shape[-2] * layer.depth_multiplier).sum(axis=0)
        constant = activate(layer.activation, constant * fill + bias_of(layer))
        return np.where((fill != 0) & pads(layer), np.nan, constant)

    def slices(self, call, read, kept):
        kernel = (*(None,) * (len(call.operation.kernel.shape) - 2), read, None)
        return [kernel, (kept,)] if call.operation.use_bias else [kernel]
