"""Whether a throttled model is the model, at u = 1 on random inputs."""

import keras
import numpy as np
from keras import ops

from keras_tnn.gates import AlwaysOn, Independent, LearnedGate, Nested

# Relative to the largest output: what other orders of the same sums differ by.
TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1, "float64": 1e-4, "float32": 1e-4}


def check_same(model: keras.Model, throttled: keras.Model, structure):
    """Raises ValueError if outputs differ. `structure` is the model's inputs, as it takes them.

    Inputs of unknown size, and texts, are not made up: such a model is not compared. Learned gates
    are all open for it; what a gate of the user's own, or one that normalises, gives at u = 1 is
    not known.
    """
    known = (Nested, Independent, LearnedGate)
    if any(not isinstance(gate, known) or gate.normalize for gate in throttled.gates):
        return
    rng = np.random.default_rng(0)  # one for all: equal inputs would hide which is read
    inputs = [random_input(x, rng) for x in keras.tree.flatten(structure)]
    if any(x is None for x in inputs):
        return
    one = len(inputs) == 1 and not isinstance(structure, dict)
    inputs = inputs[0] if one else keras.tree.pack_sequence_as(structure, inputs)
    with throttled.gating(AlwaysOn() if throttled.learned_gates else None):
        pairs = zip(outputs_of(model, inputs), outputs_of(throttled, inputs), strict=True)
    if all(alike(*pair) for pair in pairs):
        return
    raise ValueError(
        f"The throttled copy of model '{model.name}' is not the model at u = 1: its outputs differ "
        "on random inputs. A layer does something that its rule, or its `get_config`, does not "
        "know. Leave it alone with `skip`, or register a rule for its kind."
    )


def random_input(x, rng: np.random.Generator):
    """A batch of two; None if it cannot be made up."""
    shape = (2, *x.shape[1:])
    if None in shape or x.dtype == "string" or getattr(x, "sparse", False):
        return None
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
