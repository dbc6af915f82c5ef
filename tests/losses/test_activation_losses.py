"""The losses of herrmann2019 against their equations, and the property that polarizes gates."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_tnn.losses import BatchActivationLoss, ConstQuad, PerGateActivation

Z = np.array([[1, 1, 0, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 0, 0]], "float32")  # Q = 8 / 15


def test_batch_activation_is_equation_1():
    np.testing.assert_allclose(BatchActivationLoss()(0.3, Z), (0.3 - 8 / 15) ** 2, rtol=1e-6)


def test_per_gate_activation_is_section_3_1():
    rates = np.array([3, 2, 1, 0, 2]) / 3
    expected = np.mean((0.3 - rates) ** 2)
    np.testing.assert_allclose(PerGateActivation()(0.3, Z), expected, rtol=1e-6)


@pytest.mark.parametrize(("t", "expected"), [(0.3, (0.3 - 8 / 15) ** 2), (0.6, 0.0)])
def test_const_quad_is_equation_3(t, expected):
    np.testing.assert_allclose(ConstQuad()(t, Z), expected, rtol=1e-6)


@pytest.mark.parametrize("loss", [BatchActivationLoss(), PerGateActivation(), ConstQuad()])
def test_of_a_target_for_each_sample_the_mean_counts(loss):
    np.testing.assert_allclose(loss(np.array([0.1, 0.2, 0.6]), Z), loss(0.3, Z), rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # d/dZ (t - Q)^2 = -2 (t - Q) / (B G)
        (BatchActivationLoss(), np.full((3, 5), -2 * (0.3 - 8 / 15) / 15)),
        (ConstQuad(), np.full((3, 5), -2 * (0.3 - 8 / 15) / 15)),
        # d/dZ_ij = -2 (t - r_i) / (B G)
        (
            PerGateActivation(),
            np.tile(-2 * (0.3 - np.array([3, 2, 1, 0, 2]) / 3) / 15, (3, 1)),
        ),
    ],
)
def test_gradients_by_hand(loss, expected):
    z = tf.Variable(Z)
    with tf.GradientTape() as tape:
        value = loss(0.3, z)
    np.testing.assert_allclose(tape.gradient(value, z), expected, rtol=1e-5)


def test_below_its_target_const_quad_has_no_gradient():
    z = tf.Variable(Z)
    with tf.GradientTape() as tape:
        value = ConstQuad()(0.9, z)
    np.testing.assert_array_equal(tape.gradient(value, z), np.zeros((3, 5)))


@given(p=st.lists(st.floats(0, 1), min_size=3, max_size=3), t=st.floats(0, 1))
def test_property_3_1(p, t):
    """E[L_B] = (t - E[Q])^2 + Var(Q), over all patterns of three independent gates."""
    patterns = np.array(list(itertools.product([0, 1], repeat=3)), "float32")
    chances = np.prod(np.where(patterns == 1, p, 1 - np.array(p)), axis=1)
    losses = np.array([float(BatchActivationLoss()(t, one[None])) for one in patterns])
    mean, variance = np.mean(p), np.sum(np.array(p) * (1 - np.array(p))) / 9
    # float32 losses up to 1
    np.testing.assert_allclose(chances @ losses, (t - mean) ** 2 + variance, atol=1e-6)


@pytest.mark.parametrize("loss", [BatchActivationLoss, PerGateActivation, ConstQuad])
@pytest.mark.parametrize("target", [-0.1, 1.5, 2, float("nan")])
def test_bad_targets(loss, target):
    with pytest.raises(ValueError, match=r"`target`. Expected a float in \[0, 1\]. Received"):
        loss()(target, Z)
