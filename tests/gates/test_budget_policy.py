"""The budget policy against chen2020, Eq. 1 to 3 and 11, written in numpy."""

import keras
import numpy as np
import pytest

from keras_tnn.gates import BudgetPolicy, Reinforce, record_decisions

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(6, 5)).astype("float32")
C = np.linspace(0.1, 1, 6).astype("float32")


def policy_of_features(components=4, **arguments) -> BudgetPolicy:
    """A policy whose extractor hands features on, with weights as training leaves them."""
    handed_on = keras.Sequential([keras.Input((5,)), keras.layers.Identity()])
    policy = BudgetPolicy(components, extractor=handed_on, hidden_units=7, **arguments)
    policy(C, image=FEATURES)
    for weight in policy.trainable_weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    return policy


def decide(policy, training=False, c=C):
    """Values, probabilities and V as arrays."""
    with record_decisions() as decisions:
        policy(c, image=FEATURES, training=training)
    one = decisions[0]
    found = (one.values, one.probabilities, one.state, one.log_probability)
    return [None if x is None else keras.ops.convert_to_numpy(x) for x in found]


def by_the_paper(policy):
    """s of Eq. 2, without bounds, and V of Eq. 3."""
    weights = [weight.numpy() for weight in policy.trainable_weights]
    read = np.concatenate([FEATURES, C[:, None]], axis=1)  # [f_extractor(x), c]
    found = []
    for w1, b1, w2, b2 in (weights[:4], weights[4:]):
        found.append(np.maximum(read @ w1 + b1, 0) @ w2 + b2)
    c = np.clip(C[:, None], 0.01, 0.99)
    return 1 / (1 + np.exp(-found[0] - np.log(c / (1 - c)))), found[1][:, 0]


def test_components_open_in_order_before_training():
    """As nested gates open them; those that are always open do not count."""
    policy = BudgetPolicy(4, always_open=[2], order=[3, 2, 0, 1])
    policy(C, image=np.zeros((6, 8, 8, 3), "float32"))
    policy.actor.kernel.assign(np.zeros(policy.actor.kernel.shape))
    c = np.float32([0.2, 0.3, 0.45, 0.55, 0.7, 0.8])  # the k-th of three opens at k / 4
    opened = policy(c, image=np.zeros((6, 8, 8, 3), "float32"))
    a, b, d, e = [0, 0, 1, 0], [0, 0, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]
    assert keras.ops.convert_to_numpy(opened).tolist() == [a, b, b, d, d, e]
    _, probabilities, _, _ = decide(policy_of_features(order=[0, 1, 2, 3]))
    assert probabilities.shape == (6, 4)


def test_bad_order():
    with pytest.raises(ValueError, match=r"`order`. Expected a permutation of range\(3\)"):
        BudgetPolicy(3, order=[0, 1, 1])


@pytest.mark.parametrize("a", [0.8, 1.0])
def test_equations_1_to_3_and_11(a):
    policy = policy_of_features()
    policy.estimator.turn(a)
    s, value = by_the_paper(policy)
    bounded = a * s + (1 - a) * (1 - s)
    u, received, received_value, log_probability = decide(policy, training=True)
    np.testing.assert_allclose(received, bounded, rtol=1e-5)  # float32, 7 terms
    np.testing.assert_allclose(received_value, value, rtol=1e-5, atol=1e-6)
    assert set(np.unique(u)) <= {0, 1}
    drawn = np.prod(bounded**u * (1 - bounded) ** (1 - u), axis=1)
    np.testing.assert_allclose(log_probability, np.log(drawn), rtol=1e-4)
    opened, _, no_critic, _ = decide(policy)
    np.testing.assert_array_equal(opened, bounded > 0.5)
    assert no_critic is None  # it costs nothing at inference


def test_before_training_components_are_open_as_the_budget_says():
    images = np.random.default_rng(0).random((6, 8, 8, 3)).astype("float32")
    policy = BudgetPolicy(8, estimator=Reinforce(1.0))
    with record_decisions() as decisions:
        policy(C, image=images)
    s = keras.ops.convert_to_numpy(decisions[0].probabilities)
    np.testing.assert_allclose(s, np.repeat(C[:, None], 8, axis=1), atol=0.02)


def test_image_and_budget_both_matter():
    policy = policy_of_features(components=12)
    one, other = (decide(policy, c=np.full(6, c, "float32"))[1] for c in (0.2, 0.8))
    assert np.abs(one - other).max() > 0.01
    assert np.ptp(one, axis=0).max() > 0.01


def test_draws_follow_the_probabilities():
    policy = policy_of_features()
    drawn = np.mean([decide(policy, training=True)[0] for _ in range(400)], axis=0)
    np.testing.assert_allclose(drawn, decide(policy)[1], atol=0.1)  # 4 deviations of 400 draws


def test_the_actor_controls_the_last_components():
    policy = policy_of_features(components=5)
    policy.actor.bias.assign(np.full(5, -30.0))  # the actor would close all
    for count in range(6):
        policy.control(count)
        values, s, _, log_probability = decide(policy, training=True)
        assert (values[:, : 5 - count] == 1).all() and (s[:, : 5 - count] == 1).all()
        expected = np.log(1 - s[:, 5 - count :]).sum(axis=1)
        closed = values[:, 5 - count :].sum(axis=1) == 0
        np.testing.assert_allclose(log_probability[closed], expected[closed], rtol=1e-5)
        np.testing.assert_array_equal(decide(policy)[0], [[1] * (5 - count) + [0] * count] * 6)


def test_the_offset_is_on_lines_between_knots():
    policy = policy_of_features()
    policy.offsets.assign(np.arange(20.0))
    c = np.float32([0.01, 0.05, 0.075, 0.1, 0.51, 1.0])
    received = keras.ops.convert_to_numpy(policy.offset(c))[:, 0]
    np.testing.assert_allclose(received, [0, 0, 0.5, 1, 9.2, 19], atol=1e-5)


def test_hard_mode_keeps_the_most_probable_that_are_paid_for():
    policy = policy_of_features(components=4, always_open=[1])
    policy.costs.assign([0.2, 0.0, 0.3, 0.1])
    policy.rest.assign(0.1)
    policy.hard.assign(1.0)
    s = np.float32([[0.9, 1.0, 0.8, 0.7]] * 6)
    c = np.float32([0.1, 0.3, 0.5, 0.6, 0.7, 1.0])
    received = keras.ops.convert_to_numpy(policy.within(c, s))
    assert received.tolist() == [
        [0, 1, 0, 0],  # what always runs
        [1, 1, 0, 0],
        [1, 1, 0, 0],  # the third is not paid for, so the fourth, less probable, is not asked
        [1, 1, 1, 0],
        [1, 1, 1, 1],
        [1, 1, 1, 1],
    ]


def test_needs_an_image_or_an_extractor():
    with pytest.raises(ValueError, match=r"Expected `extractor`.*image_shape=\(6, 5\)"):
        BudgetPolicy(4)(C, image=FEATURES)
    positions = keras.Sequential([keras.Input((5,)), keras.layers.Reshape((5, 1))])
    with pytest.raises(ValueError, match=r"outputs of shape \(batch, features\).*\(6, 5, 1\)"):
        BudgetPolicy(4, extractor=positions)(C, image=FEATURES)
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\].*1.5"):
        policy_of_features()(1.5, image=FEATURES)
