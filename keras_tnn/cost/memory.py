"""Bytes of one call for a batch of one: what it stores, and what it moves through memory.

A call moves its weights, its inputs and its outputs, each once. Some calls move no activations,
because a converter makes them vanish: elementwise work on one tensor (activations, batch
normalisation, rescaling) is done on values as another layer writes or reads them, a reshape names
the same bytes anew, and dropout and augmentation do nothing at inference. The rule of the kind
says which: `Rule.passes_values_on`. A slice reads what it hands on, and nothing else.
"""

import math

import numpy as np

from keras_tnn.surgery.arguments import product
from keras_tnn.surgery.calls import Call
from keras_tnn.surgery.registry import rule_of


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
    rule = rule_of(call)
    written = tensor_bytes(call, call.outputs)
    passes = rule.passes_values_on(call)
    read = written if rule.takes else tensor_bytes(call, call.inputs)
    activations = 0 if passes else read + written
    # A look-up reads the rows that it hands on, and not the whole table.
    weights = weight_bytes(getattr(call.operation, "weights", []))
    return activations + (min(written, weights) if rule.looks_up(call) else weights)
