"""Under a half-precision policy outputs are in half precision, weights are not, and u still is."""

import keras
import numpy as np
import pytest

from descriptors import GATES, LAYERS, UTILIZATION
from keras_tnn.layers import ChannelGate

POLICIES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("descriptor", LAYERS, ids=str)
def test_layer(descriptor, policy):
    layer = descriptor.make(dtype=policy)
    outputs = layer([descriptor.samples(), UTILIZATION])
    assert keras.backend.standardize_dtype(outputs.dtype) == POLICIES[policy]
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} <= {"float32"}
    symbolic = layer([keras.Input(descriptor.features), keras.Input(())])
    assert symbolic.dtype == POLICIES[policy]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("descriptor", LAYERS, ids=str)
def test_layer_computes_the_same_to_half_precision(descriptor, policy):
    inputs = [descriptor.samples(), UTILIZATION]
    half, full = descriptor.make(dtype=policy), descriptor.make()
    half.build([x.shape for x in inputs])
    full.build([x.shape for x in inputs])
    half.set_weights(full.get_weights())
    expected = keras.ops.convert_to_numpy(full(inputs))
    received = keras.ops.convert_to_numpy(keras.ops.cast(half(inputs), "float32"))
    # bfloat16 has 8 bits of mantissa: 2^-8 per product, some products a sum.
    np.testing.assert_allclose(received, expected, rtol=0.05, atol=0.05)
    # Which groups are open is decided in float32: no rounding of u may move it.
    np.testing.assert_array_equal((received != 0).any(axis=0), (expected != 0).any(axis=0))


# floor(u (D + 1)) with D = 4: half precision rounds 0.8 down and 0.3999 up, past the step.
NEAR_A_STEP = np.array([0.3999, 0.4, 0.7999, 0.8], "float32")


def opened(outputs):
    return keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")) != 0


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("descriptor", GATES, ids=str)
def test_gate_decides_in_full_precision(descriptor, policy):
    gate, full = descriptor.make(dtype=policy), descriptor.make()
    outputs = gate(NEAR_A_STEP)
    assert keras.backend.standardize_dtype(outputs.dtype) == POLICIES[policy]
    np.testing.assert_array_equal(opened(outputs), opened(full(NEAR_A_STEP)))


@pytest.mark.parametrize("policy, groups", [("mixed_float16", 60), ("mixed_bfloat16", 16)])
def test_layer_opens_k_groups_at_each_level(policy, groups):
    # Keras casts a layer's inputs, u among them, by up to 2^-12 (float16) or 2^-9 (bfloat16) near
    # 1. At u = k / D the next step is 1 / D of a group away or more, so with D groups the error
    # D 2^-12 or D 2^-9 stays below it while D < 64 or D < 22.
    u = np.arange(1, groups + 1, dtype="float32") / groups
    layer = ChannelGate(num_groups=groups, dtype=policy)
    opens = opened(layer([np.ones((groups, groups), "float32"), u]))
    np.testing.assert_array_equal(opens.sum(axis=-1), np.arange(1, groups + 1))
