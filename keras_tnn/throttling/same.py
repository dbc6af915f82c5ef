"""Whether a throttled model is the model, at u = 1 on random inputs."""

import keras
import numpy as np
from keras import ops

# Relative to the largest output: what other orders of the same sums differ by.
TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1, "float64": 1e-4, "float32": 1e-4}


def check_same(model: keras.Model, throttled: keras.Model):
    """Raises ValueError if outputs differ, naming the first layer that does.

    Inputs of unknown size, and texts, are not made up: such a model is not compared.
    """
    inputs = [random_input(x) for x in keras.tree.flatten(model.input)]
    if any(x is None for x in inputs):
        return
    inputs = keras.tree.pack_sequence_as(model.input, inputs)
    pairs = zip(outputs_of(model, inputs), outputs_of(throttled, inputs), strict=True)
    if all(alike(*pair) for pair in pairs):
        return
    raise ValueError(
        f"The throttled copy of model '{model.name}' is not the model at u = 1: its outputs "
        f"differ{first_difference(model, throttled, inputs)}. A layer does something that its rule "
        "does not know. Expected equal outputs. Leave the layer alone with `skip`, or register a "
        "rule for its kind."
    )


def random_input(x):
    """A batch of two; None if it cannot be made up."""
    shape = (2, *x.shape[1:])
    if None in shape or x.dtype == "string" or getattr(x, "sparse", False):
        return None
    rng = np.random.default_rng(0)
    if keras.backend.is_float_dtype(x.dtype):
        return ops.convert_to_tensor(rng.random(shape), x.dtype)
    return ops.convert_to_tensor(rng.integers(0, 2, shape), x.dtype)


def outputs_of(model: keras.Model, inputs) -> list:
    return keras.tree.flatten(model(inputs, training=False))


def alike(one, other) -> bool:
    tolerance = TOLERANCE.get(keras.backend.standardize_dtype(one.dtype), 0)
    one, other = (ops.convert_to_numpy(ops.cast(x, "float32")) for x in (one, other))
    finite = np.isfinite(one)
    scale = np.abs(one[finite]).max(initial=1e-6)
    same = np.array_equal(finite, np.isfinite(other))
    return same and bool(np.all(np.abs(one - other)[finite] <= tolerance * scale))


def first_difference(model: keras.Model, throttled: keras.Model, inputs) -> str:
    """Where the two part: " from layer '...' on", or nothing if it cannot be told."""
    names = {layer.name for layer in throttled.layers}
    for layer in model.layers:
        if layer.name in names and len(getattr(layer, "_inbound_nodes", ())) == 1:
            other = throttled.get_layer(layer.name)
            pair = (
                keras.Model(model.inputs, layer.output),
                keras.Model(throttled.inputs, other.output),
            )
            flat = keras.tree.flatten(inputs)
            full = ops.ones((2,), "float32")
            both = outputs_of(pair[0], flat), outputs_of(pair[1], [*flat, full])
            if not all(alike(*one) for one in zip(*both, strict=True)):
                return f" from layer '{layer.name}' on"
    return ""
