"""Draws of each estimator against the distribution that it stands for, and their gradients."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradient_of import gradient_of
from keras_tnn.gates import Concrete, DataIndependent, Reinforce, Soft, StraightThrough

SAMPLES = 20_000
P = np.array([[0.02, 0.3, 0.5, 0.95]], "float32")
LOGITS = np.log(P / (1 - P))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def draws(estimator, logits=LOGITS):
    return keras.ops.convert_to_numpy(estimator(logits, samples=SAMPLES))


ESTIMATORS = [StraightThrough, Concrete, lambda **kwargs: Reinforce(alpha=1.0, **kwargs)]


@pytest.mark.parametrize("make", ESTIMATORS, ids=["StraightThrough", "Concrete", "Reinforce"])
def test_gates_open_with_probability_p(make):
    opened = draws(make(seed=1)) > 0.5  # Concrete: sigmoid((l + Z) / t) > 1/2 where l + Z > 0
    # The mean of N draws of Bernoulli(p) is off by 5 standard deviations once in 1.7 million.
    bound = 5 * np.sqrt(P[0] * (1 - P[0]) / SAMPLES)
    assert (abs(opened.mean(axis=0) - P[0]) < bound).all()
    # Gates are independent: so is the correlation of two of them, with deviation 1 / sqrt(N).
    correlation = np.corrcoef(opened.T) - np.eye(4)
    assert (abs(correlation) < 5 / np.sqrt(SAMPLES)).all()


@pytest.mark.parametrize("make", [StraightThrough, Reinforce])
def test_hard_estimators_draw_zeros_and_ones(make):
    assert set(np.unique(draws(make(seed=1)))) == {0.0, 1.0}


@pytest.mark.parametrize("temperature", [0.1, 1.0, 2.0])
def test_concrete_has_the_distribution_of_maddison(temperature):
    """Pr(g <= x) = Pr(Z <= t logit(x) - l) = sigmoid(t logit(x) - l)."""
    values = draws(Concrete(temperature, seed=1))
    for x in (0.1, 0.5, 0.8):
        expected = sigmoid(temperature * np.log(x / (1 - x)) - LOGITS[0])
        bound = 5 * np.sqrt(expected * (1 - expected) / SAMPLES)  # 5 standard deviations
        assert (abs((values <= x).mean(axis=0) - expected) < bound).all()


def test_logits_of_each_sample():
    logits = np.where(np.arange(SAMPLES)[:, None] % 2, 30.0, -30.0).astype("float32")
    values = draws(StraightThrough(seed=1), logits)
    assert values[:, 0].tolist() == [0.0, 1.0] * (SAMPLES // 2)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_straight_through_has_the_gradient_of_its_relaxation(temperature):
    """d/dl sigmoid((l + Z) / t) = s (1 - s) / t, averaged over the samples' Z."""
    estimator = StraightThrough(temperature, seed=5)
    gate = DataIndependent(3, estimator=estimator, open_probability=0.7)
    u = keras.Input(())
    weights = np.float32([1.0, -2.0, 5.0])
    outputs = keras.ops.sum(gate(u) * weights, axis=-1, keepdims=True)
    gradient = gradient_of(keras.Model(u, outputs), np.ones(64, "float32"))["logits"]

    noise = StraightThrough(temperature, seed=5).logistic((64, 3))  # the same draws
    soft = sigmoid((np.log(0.7 / 0.3) + keras.ops.convert_to_numpy(noise)) / temperature)
    expected = weights * (soft * (1 - soft) / temperature).mean(axis=0)
    # Sums of 64 float32 terms; the weights that moved are known to 6e-8.
    np.testing.assert_allclose(gradient[:, 1], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradient[:, 0], -expected, rtol=1e-4, atol=1e-6)


@given(st.floats(0.5, 1, exclude_min=True), st.floats(-30, 30))
def test_modified_sigmoid(alpha, logit):
    """hostetler2019, A.1: alpha sigmoid(x) + (1 - alpha) (1 - sigmoid(x))."""
    p = keras.ops.convert_to_numpy(Reinforce(alpha).probabilities(np.float32([logit])))[0]
    expected = alpha * sigmoid(logit) + (1 - alpha) * (1 - sigmoid(logit))
    assert p == pytest.approx(expected, abs=1e-6)  # float32 near 1
    assert 1 - alpha - 1e-6 <= p <= alpha + 1e-6


def test_alpha_is_annealed_and_kept():
    estimator = Reinforce()  # 0.8 at first, 0.99 in the end: hostetler2019, A.1
    rates = []
    for alpha in (0.8, 0.99):
        estimator.turn(alpha)
        rates.append(draws(estimator, np.full((1, 1), 30, "float32")).mean())
    # 5 standard deviations of 20,000 draws: 0.014 and 0.0035.
    assert rates == [pytest.approx(0.8, abs=0.014), pytest.approx(0.99, abs=0.0035)]
    again = Reinforce.from_config(estimator.get_config())
    p = keras.ops.convert_to_numpy(again.probabilities(np.float32([30])))
    np.testing.assert_allclose(p, 0.99, rtol=1e-6)  # float32


@pytest.mark.parametrize("alpha", [0.5, 1.01, 0, True, "0.8"])
def test_refuses_alpha(alpha):
    message = r"`alpha`. Expected a float in \(0.5, 1\]"
    with pytest.raises(ValueError, match=message):
        Reinforce(alpha)
    with pytest.raises(ValueError, match=message):
        Reinforce().turn(alpha)


@pytest.mark.parametrize("make", [StraightThrough, Concrete])
@pytest.mark.parametrize("temperature", [0, -1.0])
def test_refuses_temperature(make, temperature):
    with pytest.raises(ValueError, match="`temperature`. Expected a positive float"):
        make(temperature)


def test_soft_draws_nothing():
    """Every sample gets p itself, and the gradient of p: dp/dl = p (1 - p)."""
    np.testing.assert_allclose(draws(Soft()), np.broadcast_to(P, (SAMPLES, 4)), rtol=1e-6)
    gate = DataIndependent(1, open_probability=0.8, estimator=Soft())
    u = keras.Input((), name="u")
    gradients = gradient_of(keras.Model(u, gate(u)), np.ones(5, "float32"))
    np.testing.assert_allclose(gradients["logits"], [[-0.16, 0.16]], rtol=1e-5)


def test_soft_may_decide_as_inference_does():
    np.testing.assert_array_equal(draws(Soft(hard=True)), np.tile([0, 0, 0, 1], (SAMPLES, 1)))
    gate = DataIndependent(1, open_probability=0.8, estimator=Soft(hard=True))
    u = keras.Input((), name="u")
    gradients = gradient_of(keras.Model(u, gate(u)), np.ones(5, "float32"))
    np.testing.assert_allclose(gradients["logits"], [[-0.16, 0.16]], rtol=1e-5)
