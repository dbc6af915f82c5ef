"""Convolutions that mix all channels, and those that keep each to itself.

Their kernels meet the input at the positions of the output. A grouped kernel holds input channels
/ groups, so its shape has the groups in it.
"""

import math

import numpy as np
from keras import layers, ops

from keras_tnn.surgery.arguments import argument, product, shape_of
from keras_tnn.surgery.calls import width
from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Axes, Counted, Kept
from keras_tnn.surgery.rules.data_format import ByDataFormat, by_data_format
from keras_tnn.surgery.rules.elementwise import activate, is_elementwise
from keras_tnn.surgery.rules.per_channel import PerChannel
from keras_tnn.surgery.slices import merged_weights


def pads(layer) -> bool:
    """Whether zeros around the border make a constant input vary."""
    return layer.padding != "valid" and any(size > 1 for size in layer.kernel_size)


def bias_of(layer) -> np.ndarray:
    return ops.convert_to_numpy(layer.bias) if layer.use_bias else np.float32(0)


def is_plain(layer, num_kernels: int = 1) -> bool:
    """Whether the weights are no more than kernels and a bias."""
    return len(merged_weights(layer)) == num_kernels + bool(layer.use_bias)


def visited(call, x) -> int:
    """Number of places in a tensor that a kernel visits: the product of the spatial sizes."""
    sizes = list(x.shape)
    del sizes[by_data_format(call, x)]
    return product(call, tuple(sizes[1:]))


class Mixing(ByDataFormat):
    """Every output channel reads every input channel.

    Constants at the input are folded into the bias; where padding forbids it they are put back
    as real channels. Subclasses name the argument that counts the outputs and say how weights
    are cut.
    """

    silent = False
    outputs_argument = "filters"

    def applies(self, call):
        return is_plain(call.operation) and getattr(call.operation, "groups", 1) == 1

    def folds(self, layer, channels: Channels) -> bool:
        return not (channels.hidden.any() and pads(layer))

    def constant(self, layer, fill: np.ndarray) -> np.ndarray:
        """What the constants `fill` add to each output, `(outputs,)`."""
        kernel = ops.convert_to_numpy(layer.kernel)
        return fill @ kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0)

    def cut_kernels(self, layer, reads: np.ndarray, makes: np.ndarray) -> list[Axes]:
        """For each kernel what is left of its axes."""
        return [(*(None,) * (len(layer.kernel.shape) - 2), reads, makes)]

    def kernels(self, call):
        return [call.operation.kernel]

    def positions(self, call):
        return visited(call, call.output)

    def importance(self, call) -> list[np.ndarray]:
        """For each input, the L1 norm of the weights that read each of its channels."""
        kernel = np.abs(ops.convert_to_numpy(call.operation.kernel))
        return [kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=(0, 2))]

    def tie(self, call, inputs, ties):
        ties.mixed.append(call)
        fresh = ties.fresh if is_elementwise(call.operation.activation) else ties.pinned
        return fresh(width(call.output))

    def forward(self, call, inputs):
        layer, channels = call.operation, inputs[0]
        size = width(call.output)
        if channels.alive.any() or not self.folds(layer, channels):
            return super().forward(call, inputs)
        constant = self.constant(layer, channels.fill) + bias_of(layer)
        return Channels(np.zeros(size, bool), activate(layer.activation, constant))

    def keep(self, call, inputs, wanted):
        layer, (channels,) = call.operation, inputs
        makes = wanted if is_elementwise(layer.activation) else np.ones(len(wanted), bool)
        folds = self.folds(layer, channels)
        return Kept((channels.alive if folds else channels.alive | channels.hidden,), makes)

    def weights(self, call, kept):
        kernels = self.cut_kernels(call.operation, *kept.reads, kept.makes)
        return [*kernels, *([(kept.makes,)] if call.operation.use_bias else [])]

    def changes(self, call, kept):
        return {self.outputs_argument: int(kept.makes.sum())}

    def offset(self, call, inputs, kept):
        layer, (channels,) = call.operation, inputs
        folds = self.folds(layer, channels) and channels.hidden.any()
        return self.constant(layer, channels.fill)[kept.makes] if folds else None


@rule(layers.Conv1D, layers.Conv2D, layers.Conv3D)
class ConvolutionRule(Mixing):
    """y = activation(kernel * x + bias), in one group."""


@rule(layers.SeparableConv1D, layers.SeparableConv2D)
class SeparableRule(Mixing):
    """A depthwise convolution followed by a 1x1 one that mixes.

    The depthwise part moves already with the strides; the pointwise part follows it.
    """

    def applies(self, call):
        return is_plain(call.operation, num_kernels=2)

    def kernels(self, call):
        return [call.operation.depthwise_kernel, call.operation.pointwise_kernel]

    def parts(self, layer) -> tuple[np.ndarray, np.ndarray]:
        """Depthwise (positions, inputs, multiplier) and pointwise (inputs, multiplier, outputs)."""
        depthwise = ops.convert_to_numpy(layer.depthwise_kernel)
        pointwise = ops.convert_to_numpy(layer.pointwise_kernel)
        depthwise = depthwise.reshape(-1, *depthwise.shape[-2:])
        return depthwise, pointwise.reshape(*depthwise.shape[-2:], -1)

    def constant(self, layer, fill):
        depthwise, pointwise = self.parts(layer)
        return np.einsum("i,pim,imo->o", fill, depthwise, pointwise)

    def importance(self, call):
        depthwise, pointwise = (np.abs(kernel) for kernel in self.parts(call.operation))
        return [np.einsum("pim,imo->i", depthwise, pointwise)]

    def cut_kernels(self, layer, reads, makes):
        spatial = (None,) * (len(layer.depthwise_kernel.shape) - 2)
        rows = np.repeat(reads, layer.depth_multiplier)
        return [(*spatial, reads, None), (*spatial, rows, makes)]


@rule(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
class TransposedRule(Mixing):
    """Its kernel is (..., outputs, inputs), spread over the output from each input position.

    Strides make a constant input vary: it is put back.
    """

    def positions(self, call):
        return visited(call, call.inputs[0])

    def folds(self, layer, channels):
        return not channels.hidden.any()

    def constant(self, layer, fill):
        return np.zeros(layer.kernel.shape[-2], "float32")

    def importance(self, call):
        kernel = np.abs(ops.convert_to_numpy(call.operation.kernel))
        return [kernel.reshape(-1, kernel.shape[-1]).sum(axis=0)]

    def cut_kernels(self, layer, reads, makes):
        return [(*(None,) * (len(layer.kernel.shape) - 2), makes, reads)]


@rule(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
class DepthwiseRule(ByDataFormat, PerChannel):
    """Each input channel has `depth_multiplier` outputs of its own."""

    silent = False

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

    def kernels(self, call):
        return [call.operation.kernel]

    def positions(self, call):
        return visited(call, call.output)

    def weights(self, call, kept):
        kernel = (*(None,) * (len(call.operation.kernel.shape) - 2), *kept.reads, None)
        return [kernel, (kept.makes,)] if call.operation.use_bias else [kernel]


@rule("Conv", "DepthwiseConv")
class ConvolutionOperation(Counted):
    """`keras.ops.conv` and the like: their kernels are arguments."""

    kernel_names = ("kernel",)

    def macs(self, call):
        kernels = [argument(call, i + 1, name) for i, name in enumerate(self.kernel_names)]
        return self.positions(call) * sum(math.prod(shape_of(kernel)) for kernel in kernels)

    def positions(self, call):
        return visited(call, call.output)


@rule("ConvTranspose")
class TransposedOperation(ConvolutionOperation):
    """From each input position."""

    def positions(self, call):
        return visited(call, call.inputs[0])


@rule("SeparableConv")
class SeparableOperation(ConvolutionOperation):
    """Both kernels at each position of the output."""

    kernel_names = ("depthwise_kernel", "pointwise_kernel")
