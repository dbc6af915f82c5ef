"""Blind gates against FC(1, 32), ReLU, FC(32, n) of hostetler2019, A.1."""

import keras
import numpy as np
import pytest

from as_trained import as_trained
from gradient_of import gradient_of
from keras_tnn.gates import Blind, Concrete, record_decisions

U = np.linspace(0.05, 1, 20).astype("float32")


def test_probabilities_and_patterns():
    gate = as_trained(Blind(12), U)
    first, bias, second, offset = gate.get_weights()
    assert first.shape == (1, 32) and second.shape == (32, 12)
    logits = np.maximum(U[:, None] @ first + bias, 0) @ second + offset
    expected = 1 / (1 + np.exp(-logits))
    with record_decisions() as decisions:
        gate(U)
    received = keras.ops.convert_to_numpy(decisions[0].probabilities)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-7)  # float32, 32 terms
    patterns = np.stack([gate.pattern(float(u)) for u in U])
    np.testing.assert_array_equal(patterns, expected > 0.5)
    assert len({tuple(row) for row in patterns.tolist()}) > 1  # u matters


def test_sees_utilization_alone():
    gate = as_trained(Blind(4), U)
    features = np.random.default_rng(1).normal(size=(20, 3)).astype("float32")
    np.testing.assert_array_equal(
        *(keras.ops.convert_to_numpy(x) for x in (gate(U, features=features), gate(U)))
    )


def test_every_weight_learns_from_relaxed_gates():
    u = keras.Input(())
    gate = Blind(6, estimator=Concrete(0.1, seed=0), always_open=[2])
    outputs = keras.ops.sum(gate(u), axis=-1, keepdims=True)
    gradient = gradient_of(keras.Model(u, outputs), U)
    assert all(np.abs(slope).max() > 0 for slope in gradient.values())


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_does_not_round_decisions(policy):
    full, half = as_trained(Blind(16), U), Blind(16, dtype=policy)
    half(U)
    half.set_weights(full.get_weights())
    np.testing.assert_array_equal(
        [half.pattern(float(u)) for u in U], [full.pattern(float(u)) for u in U]
    )
