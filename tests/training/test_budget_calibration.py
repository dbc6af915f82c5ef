"""A budget asked is a budget met: on average within 3 %, and in hard mode by every sample."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.gates import BudgetPolicy
from keras_tnn.training import calibrate_budgets

BUDGETS = (0.2, 0.4, 0.6, 0.8, 1.0)


def images(count, seed):
    """Each with colours of its own, so that a policy tells them apart."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(count, 8, 8, 3)) + 2 * rng.normal(size=(count, 1, 1, 3))
    return found.astype("float32")


HELD_OUT, TEST = images(2000, 0), images(2000, 1)


def model_of(make, **arguments):
    """A network whose policy has weights as training leaves them."""
    keras.utils.set_random_seed(0)
    model = make((8, 8, 3), 4, gate=BudgetPolicy, **arguments)
    policy = model.gates[0]
    for weight in policy.trainable_weights:
        scale = 1 / np.sqrt(np.prod(weight.shape[:-1])) if len(weight.shape) > 1 else 0.5
        weight.assign(np.random.default_rng(2).normal(scale=2 * scale, size=weight.shape))
    return model


# A network so wide that its policy is a small part of it.
def paths():
    return model_of(tnn.models.ResNeXt, depth=20, filters=32, branch_width=16, gate_sums=False)


def shares(model, complexity, budget):
    opened = model.gates[0](budget, image=TEST)
    return keras.ops.convert_to_numpy(keras.ops.mean(complexity.measure(opened), axis=-1))


@pytest.mark.parametrize("unit", ["gates", "macs", "energy"])
def test_the_mean_is_the_budget_on_new_data(unit):
    model = paths()
    complexity = tnn.losses.BudgetReward(unit=unit).unit(model)
    before = [shares(model, complexity, c).mean() for c in BUDGETS]
    assert np.abs(np.array(before) / BUDGETS - 1).max() > 0.1
    calibrate_budgets(model, HELD_OUT, unit)
    floor = float(shares(model, complexity, 0.001).min())
    for c in BUDGETS:
        if c > floor:
            assert abs(shares(model, complexity, c).mean() / c - 1) < 0.03, c
    between = shares(model, complexity, 0.525).mean()  # of two budgets that were calibrated
    assert shares(model, complexity, 0.5).mean() < between < shares(model, complexity, 0.55).mean()


@pytest.mark.parametrize("unit", ["gates", "macs", "energy"])
def test_hard_mode_never_exceeds(unit):
    model = paths()
    complexity = tnn.losses.BudgetReward(unit=unit).unit(model)
    calibrate_budgets(model, HELD_OUT[:500], unit)
    assert all(shares(model, complexity, c).max() > c for c in BUDGETS[1:4])
    calibrate_budgets(model, HELD_OUT[:500], unit, hard=True)
    for c in (0.3, 0.333, *BUDGETS[1:]):
        # float32 sums in another order
        assert shares(model, complexity, c).max() <= c + 1e-5, c
    if unit == "gates":  # nothing else runs: no component fits into what is left
        assert shares(model, complexity, 0.1).max() <= 0.1 + 1e-5


def test_a_saved_model_keeps_its_budgets(tmp_path):
    model = model_of(tnn.models.ResNet, depth=14, width=4, axis="depth")
    calibrate_budgets(model, HELD_OUT[:200], hard=True)
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    for c in BUDGETS:
        pair = (net.predict(TEST[:20], utilization=c, verbose=0) for net in (model, loaded))
        np.testing.assert_array_equal(*pair)
        patterns = (net.gates[0](c, image=TEST) for net in (model, loaded))
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, patterns))


def test_what_ships_computes_the_same():
    """`conditional` skips what the calibrated policy closes."""
    model = model_of(tnn.models.ResNet, depth=14, width=4, axis="depth")
    calibrate_budgets(model, HELD_OUT[:200], hard=True)
    small = tnn.surgery.conditional(model, utilization=0.6)
    expected = model.predict(TEST[:8], utilization=0.6, verbose=0)
    np.testing.assert_allclose(small.predict(TEST[:8], verbose=0), expected, rtol=1e-4, atol=1e-6)


def test_training_draws_without_the_calibration():
    model = model_of(tnn.models.ResNet, depth=14, width=4, axis="depth")
    with tnn.gates.record_decisions() as before:
        model.gates[0](0.5, image=TEST[:8], training=True)
    calibrate_budgets(model, HELD_OUT[:200], hard=True)
    with tnn.gates.record_decisions() as after:
        model.gates[0](0.5, image=TEST[:8], training=True)
    np.testing.assert_array_equal(before[0].probabilities, after[0].probabilities)


def test_refuses_models_without_a_policy():
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=8, width=4, axis="depth")
    with pytest.raises(ValueError, match=r"with one gate, such as .*\['Nested'\]"):
        calibrate_budgets(plain, HELD_OUT)


def test_hard_mode_refuses_costs_that_multiply():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3)(keras.layers.Conv2D(8, 3)(image))
    x = keras.layers.GlobalAveragePooling2D()(x)
    plain = keras.Model(image, keras.layers.Dense(4)(x))
    model = tnn.throttle(plain, num_groups=4, gate=BudgetPolicy)
    calibrate_budgets(model, HELD_OUT[:50])
    with pytest.raises(ValueError, match="Components cost more together than one by one"):
        calibrate_budgets(model, HELD_OUT[:50], hard=True)


def test_refuses_an_unknown_unit():
    model = model_of(tnn.models.ResNet, depth=14, width=4, axis="depth")
    with pytest.raises(ValueError, match="Invalid value for `unit`. Expected one of"):
        calibrate_budgets(model, HELD_OUT, "watts")
