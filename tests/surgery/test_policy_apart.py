"""A policy and its network, apart, are the model that they were."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.gates import BudgetPolicy
from keras_tnn.surgery import policy_apart

BUDGETS = (0.1, 0.45, 0.8)


def images(count=6):
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.2, 3, (count, 1, 1, 1))  # so that the policy sees a difference
    return (scale * rng.normal(size=(count, 8, 8, 3))).astype("float32")


def undecided(model):
    """Lets the actor see its features, which are small before training."""
    (policy,) = model.gates
    rng = np.random.default_rng(1)
    for layer in (policy.actor_hidden, policy.actor):
        layer.kernel.assign(rng.normal(size=layer.kernel.shape))
    return model


def blocks():
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=14, width=4, throttled=False)
    return undecided(tnn.throttle(plain, axes=("depth",), gate=BudgetPolicy))


def paths():
    sizes = {"depth": 11, "filters": 16, "branch_width": 2}
    return undecided(tnn.models.ResNeXt((8, 8, 3), 4, **sizes, gate_sums=False, gate=BudgetPolicy))


@pytest.mark.parametrize("make", [blocks, paths])
def test_both_are_the_model(make):
    keras.utils.set_random_seed(0)
    model, x = make(), images()
    parts, chosen = policy_apart(model), []
    for budget in BUDGETS:
        gates = parts.decide([x], budget)
        chosen.append(gates)
        outputs = parts.network.predict([x, gates], verbose=0)
        expected = model.predict(x, utilization=budget, gating=0.5, verbose=0)
        # softmax outputs; float32 sums in another order
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-6)
    assert len(np.unique(np.concatenate(chosen), axis=0)) > 2


@pytest.mark.parametrize("make", [blocks, paths])
def test_macs_of_components_are_those_that_surgery_saves(make):
    model = make()
    parts = policy_apart(model)
    (policy,) = model.gates
    whole = tnn.count_macs(parts.network)
    for closed, macs in enumerate(parts.component_macs):
        pattern = np.ones(policy.num_groups)
        pattern[closed] = 0
        assert whole - macs == tnn.count_macs(tnn.materialize(model, gates={policy.name: pattern}))


def test_statistics_are_those_of_the_budgets():
    keras.utils.set_random_seed(0)
    model, x = blocks(), images(8)
    before = [np.array(w) for w in model.weights]
    parts = policy_apart(model, calibration_data=x, budgets=(0.5,))
    np.testing.assert_equal([np.array(w) for w in model.weights], before)
    stem = parts.network.get_layer("stem_norm")
    made = np.asarray(model.get_layer("stem_conv")(x))
    # one batch: its own mean, in float32
    np.testing.assert_allclose(stem.moving_mean, made.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)


def test_other_gates_are_refused():
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=14, width=4, throttled=False)
    model = tnn.throttle(plain, axes=("depth",), gate=tnn.gates.DataDependent)
    with pytest.raises(ValueError, match="one gate in model .* decides for the whole network"):
        policy_apart(model)


def test_components_inside_components_are_refused():
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=14, width=4, throttled=False)
    model = tnn.throttle(plain, num_groups=2, gate=BudgetPolicy)
    inside = pytest.raises(ValueError, match="none of them inside another one")
    with pytest.warns(UserWarning, match="multiplied by zero, not skipped"), inside:
        policy_apart(model)
