"""The penalties of liu2022 against Eq. 5 and 6."""

import numpy as np
import pytest
import tensorflow as tf

from keras_tnn.losses import DistanceComplexity, HingeComplexity

C = np.array([[0.9, 0.7], [0.2, 0.4], [0.5, 0.5]], "float32")  # means 0.8, 0.3, 0.5
U = np.array([0.5, 0.5, 0.2], "float32")


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(
    ("kind", "distances"),
    [(HingeComplexity, [0.3, 0.0, 0.3]), (DistanceComplexity, [0.3, 0.2, 0.3])],
)
def test_are_equations_5_and_6(kind, distances, p):
    expected = np.array(distances) ** p
    np.testing.assert_allclose(kind(p, reduction="none")(U, C), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(kind(p).call(U, C), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(kind(p)(U, C), expected.mean(), rtol=1e-5)


def test_one_target_for_all_samples():
    values = DistanceComplexity(1, reduction="none")(0.5, C)
    np.testing.assert_allclose(values, [0.3, 0.2, 0.0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("loss", "by_mean"),
    [
        (HingeComplexity(1), [1, 0, 1]),
        (HingeComplexity(2), [0.6, 0, 0.6]),
        (DistanceComplexity(1), [1, -1, 1]),
        (DistanceComplexity(2), [0.6, -0.4, 0.6]),
    ],
)
def test_gradients_by_hand(loss, by_mean):
    """By c: 1 or 2 (c - u); each of two columns is half of c, each of three samples a third."""
    complexity = tf.Variable(C)
    with tf.GradientTape() as tape:
        value = loss(U, complexity)
    expected = np.repeat(np.array(by_mean)[:, None], 2, axis=1) / 6
    np.testing.assert_allclose(tape.gradient(value, complexity), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", [HingeComplexity, DistanceComplexity])
def test_bad_arguments(kind):
    for p in (0, 3, 1.5, True, "2"):
        with pytest.raises(ValueError, match="`p`. Expected 1 or 2. Received"):
            kind(p)
    with pytest.raises(ValueError, match=r"`target`. Expected a float in \[0, 1\]"):
        kind()(1.1, C)
