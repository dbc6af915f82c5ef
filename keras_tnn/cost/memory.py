"""Bytes of one call for a batch of one: what it stores, and what it moves through memory.

A call moves its weights, its inputs and its outputs, each once. Some calls move no activations,
because a converter makes them vanish: elementwise work on one tensor (activations, batch
normalisation, rescaling) is done on values as another layer writes or reads them, a reshape names
the same bytes anew, and dropout does nothing at inference. A `keras.ops` operation of one tensor
that keeps its shape is taken for elementwise.
"""

import math

import keras
import numpy as np
from keras import layers

from keras_tnn.cost.macs import macs_of_call, product
from keras_tnn.surgery.graph import Call

PASSING = (
    *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU),
    *(layers.BatchNormalization, layers.Normalization, layers.Rescaling),
    *(layers.Dropout, layers.GaussianDropout, layers.GaussianNoise, layers.AlphaDropout),
    *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
    *(layers.ActivityRegularization, layers.Identity, layers.Masking),
    *(layers.Flatten, layers.Reshape),
)
RENAMING_OPERATIONS = ("Reshape", "Squeeze", "ExpandDims")


def tensor_bytes(call: Call, tensors: tuple) -> int:
    """Bytes of one sample of the call's tensors `(batch, ...)`, each in its own dtype.

    Raises:
        ValueError: if a size other than the batch is unknown.
    """
    return sum(product(call, x.shape[1:]) * item_bytes(x.dtype) for x in tensors)


def item_bytes(dtype: str) -> int:
    """Bytes of one value; zero for text, which has no fixed size."""
    return 0 if dtype == "string" else np.dtype(dtype).itemsize


def weight_bytes(weights: list) -> int:
    return sum(math.prod(w.shape) * item_bytes(w.dtype) for w in weights)


def moved_bytes(call: Call) -> int:
    """Bytes that a call reads from and writes to memory if nothing is moved twice."""
    written = tensor_bytes(call, call.outputs)
    activations = 0 if passes_values_on(call) else tensor_bytes(call, call.inputs) + written
    # A look-up reads the rows that it hands on, and not the whole table.
    looks_up = isinstance(call.operation, layers.Embedding) and macs_of_call(call) == 0
    weights = weight_bytes(getattr(call.operation, "weights", []))
    return activations + (min(written, weights) if looks_up else weights)


def passes_values_on(call: Call) -> bool:
    """Whether the call works on values in passing, so that it moves no activations itself."""
    if isinstance(call.operation, keras.layers.Layer):
        return isinstance(call.operation, PASSING)
    same_shape = [x.shape for x in call.inputs] == [x.shape for x in call.outputs]
    return same_shape or type(call.operation).__name__ in RENAMING_OPERATIONS
