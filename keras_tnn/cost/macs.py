"""MACs of one call: multiply-accumulates for a batch of one, by kind of layer.

Counted are the products of a kernel with its inputs: convolutions of every kind and rank, and
dense layers. Biases, normalisations, activations, pooling, padding, sums and products of tensors
count zero. Products with zeros that "same" padding adds are counted, as the papers do.
FLOPs are 2 x MACs.
"""

import math
import warnings

import keras
from keras import layers

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)

# They have weights of rank 2 or more and no kernel: a look-up, a product per element.
FREE = (layers.Embedding, layers.PReLU)


def macs_of_call(layer: keras.layers.Layer, input_shape: tuple, output_shape: tuple) -> int:
    """MACs of one call of a layer on a batch of one.

    Args:
        layer: built Keras layer.
        input_shape: `(batch, ...)`; the batch may be None and is not used.
        output_shape: `(batch, ...)`.

    Returns:
        Integer. Zero, with a warning, for a layer that has matrices among its weights and is of a
        kind this function does not know.

    Raises:
        ValueError: if the layer runs at positions whose number is unknown.
    """
    if isinstance(layer, SEPARABLE):
        # The depthwise part moves already with the strides; the pointwise part follows it.
        kernels = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
        return kernels * convolution_positions(layer, output_shape)
    if isinstance(layer, TRANSPOSED):
        # Each input position is spread over the output by the whole kernel.
        return math.prod(layer.kernel.shape) * convolution_positions(layer, input_shape)
    if isinstance(layer, CONVOLUTIONS + DEPTHWISE):
        # A grouped kernel holds input channels / groups, so its shape has the groups in it.
        return math.prod(layer.kernel.shape) * convolution_positions(layer, output_shape)
    if isinstance(layer, layers.Dense):
        return math.prod(layer.kernel.shape) * positions(layer, output_shape[1:-1])
    warn_if_uncounted(layer)
    return 0


def convolution_positions(layer, shape: tuple) -> int:
    """Number of places in `shape` that a kernel visits: the product of the spatial sizes."""
    first = layer.data_format == "channels_first"
    return positions(layer, shape[2:] if first else shape[1:-1])


def positions(layer, sizes: tuple) -> int:
    if None in sizes:
        raise ValueError(
            f"The MACs of layer '{layer.name}' depend on a size that is not known. Expected an "
            f"input of fixed shape. Received: sizes={tuple(sizes)}. Build the model with a full "
            "`input_shape`, None for the batch only."
        )
    return math.prod(sizes)


def warn_if_uncounted(layer) -> None:
    """Zero is a wrong count for a layer with matrices: say so rather than pass it over."""
    matrices = [w for w in getattr(layer, "trainable_weights", ()) if len(w.shape) > 1]
    if matrices and not isinstance(layer, FREE):
        warnings.warn(
            f"The MACs of layer '{layer.name}' ({type(layer).__name__}) are counted as zero: no "
            "rule for its kind. Its parameters are counted.",
            UserWarning,
            stacklevel=2,
        )
