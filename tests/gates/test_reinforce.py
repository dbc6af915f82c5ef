"""The score function estimator on two gates, where every outcome can be written down."""

import itertools

import keras
import numpy as np
import pytest

from gradient_of import gradient_of
from keras_tnn.gates import DataIndependent, Decision, Nested, Reinforce, record_decisions

SAMPLES = 20_000
COSTS = np.array([[3.0, -1.0], [0.5, 2.0]], "float32")  # J(g_1, g_2)
P = 0.7
OUTCOMES = np.array(list(itertools.product((0, 1), repeat=2)))


class Surrogate(keras.layers.Layer):
    """J log Pr(g), with J looked up and held fixed."""

    def __init__(self, gate):
        super().__init__()
        self.gate = gate

    def build(self, shape):
        self.gate.build(shape)

    def call(self, u, training=None):
        with record_decisions() as decisions:
            gates = self.gate(u, training=training)
        first, second = gates[:, 0], gates[:, 1]
        cost = sum(
            COSTS[one, two] * (first if one else 1 - first) * (second if two else 1 - second)
            for one, two in OUTCOMES
        )
        return keras.ops.expand_dims(cost * decisions[0].log_probability, -1)


def decision(values, probabilities) -> Decision:
    tensors = (keras.ops.convert_to_tensor(x, "float32") for x in (values, probabilities))
    return Decision(Nested(len(values[0])), *tensors)


def test_log_probability_by_hand():
    """liu2022, Eq. 11: sum_i log[g_i p_i + (1 - g_i)(1 - p_i)]."""
    received = decision([[1, 0, 1], [0, 0, 1]], [[0.25, 0.5, 1.0]]).log_probability
    np.testing.assert_allclose(received, np.log([0.25 * 0.5, 0.75 * 0.5]), rtol=1e-6)  # float32


def test_what_cannot_happen_stays_finite():
    received = decision([[1.0]], [[0.0]]).log_probability
    assert np.isfinite(keras.ops.convert_to_numpy(received)).all()


def test_groups_that_are_always_open_are_certain():
    gate = DataIndependent(3, min_groups=3)
    with record_decisions() as decisions:
        gate(np.ones(2, "float32"), training=True)
    assert keras.ops.convert_to_numpy(decisions[0].log_probability).tolist() == [0, 0]


@pytest.mark.parametrize("alpha", [1.0, 0.8])
def test_surrogate_gradient_is_unbiased(alpha):
    """Its mean is d/dl sum_g Pr(g) J(g), which the four outcomes give exactly."""
    gate = DataIndependent(2, estimator=Reinforce(alpha, seed=2), open_probability=P)
    u = keras.Input(())
    model = keras.Model(u, Surrogate(gate)(u))
    (gradient,) = gradient_of(model, np.ones(SAMPLES, "float32")).values()

    p = alpha * P + (1 - alpha) * (1 - P)
    slope = (2 * alpha - 1) * P * (1 - P)  # dp/dl of the modified sigmoid
    chances = np.prod(np.where(OUTCOMES, p, 1 - p), axis=1)
    scores = slope * np.where(OUTCOMES, 1 / p, -1 / (1 - p))  # d log Pr(g) / dl
    terms = COSTS[OUTCOMES[:, 0], OUTCOMES[:, 1]][:, None] * scores
    expected = chances @ terms
    by_difference = slope * np.array(
        [
            [1 - p, p] @ (COSTS[1] - COSTS[0]),  # dE/dp_1 = E[J(1, g_2) - J(0, g_2)]
            [1 - p, p] @ (COSTS[:, 1] - COSTS[:, 0]),
        ]
    )
    np.testing.assert_allclose(expected, by_difference, rtol=1e-6)  # the identity itself
    deviation = np.sqrt((chances @ terms**2 - expected**2) / SAMPLES)
    # l = w_1 - w_0; five standard deviations, passed by chance once in a million.
    assert (abs(gradient[:, 1] - expected) < 5 * deviation).all()
    assert (abs(gradient[:, 0] + expected) < 5 * deviation).all()


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_draws_have_no_gradient_of_their_own():
    gate = DataIndependent(2, estimator=Reinforce(seed=2))
    u = keras.Input(())
    outputs = keras.ops.sum(gate(u), axis=-1, keepdims=True)
    factor = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="factor")
    gradient = gradient_of(keras.Model(u, factor(outputs)), np.ones(8, "float32"))
    assert gradient["logits"].tolist() == [[0, 0], [0, 0]]
    assert gradient["kernel"].item() > 0  # what comes behind the gates does learn
