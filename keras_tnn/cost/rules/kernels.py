"""A kernel that meets its input at many positions: convolutions and dense layers."""

import math

from keras import layers

from keras_tnn.cost.macs import macs_rule, product
from keras_tnn.cost.rules.arguments import argument, shape_of
from keras_tnn.surgery.graph import Call


def visited(call: Call, shape: tuple) -> int:
    """Number of places in `shape` that a kernel visits: the product of the spatial sizes."""
    first = call.operation.data_format == "channels_first"
    return product(call, shape[2:] if first else shape[1:-1])


@macs_rule(
    layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv1D, layers.DepthwiseConv2D
)
def convolution(call: Call) -> int:
    # A grouped kernel holds input channels / groups, so its shape has the groups in it.
    return math.prod(call.operation.kernel.shape) * visited(call, call.output.shape)


@macs_rule(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
def transposed_convolution(call: Call) -> int:
    # Each input position is spread over the output by the whole kernel.
    return math.prod(call.operation.kernel.shape) * visited(call, call.inputs[0].shape)


@macs_rule(layers.SeparableConv1D, layers.SeparableConv2D)
def separable_convolution(call: Call) -> int:
    # The depthwise part moves already with the strides; the pointwise part follows it.
    layer = call.operation
    kernels = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
    return kernels * visited(call, call.output.shape)


@macs_rule(layers.Dense)
def dense(call: Call) -> int:
    return math.prod(call.operation.kernel.shape) * product(call, call.output.shape[1:-1])


@macs_rule(layers.ReversibleEmbedding)
def reversible_embedding(call: Call) -> int:
    # Forward it looks rows up, which is free; in reverse it is a dense layer.
    if not argument(call, 1, "reverse"):
        return 0
    return math.prod(call.operation.embeddings.shape) * product(call, call.output.shape[1:-1])


@macs_rule("Conv", "DepthwiseConv")
def convolution_operation(call: Call) -> int:
    kernel = shape_of(argument(call, 1, "kernel"))
    return math.prod(kernel) * visited(call, call.output.shape)


@macs_rule("ConvTranspose")
def transposed_convolution_operation(call: Call) -> int:
    kernel = shape_of(argument(call, 1, "kernel"))
    return math.prod(kernel) * visited(call, call.inputs[0].shape)


@macs_rule("SeparableConv")
def separable_convolution_operation(call: Call) -> int:
    depthwise = shape_of(argument(call, 1, "depthwise_kernel"))
    pointwise = shape_of(argument(call, 2, "pointwise_kernel"))
    return (math.prod(depthwise) + math.prod(pointwise)) * visited(call, call.output.shape)
