"""BudgetNet's curricula, and that a policy learns by them on real digits."""

from functools import partial

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.callbacks import BudgetCurriculum
from keras_tnn.gates import BudgetPolicy
from keras_tnn.losses import BudgetReward
from keras_tnn.training.budget_calibration import policy_of
from keras_tnn.training.budget_objective import right_answers

LOSS = "sparse_categorical_crossentropy"


def resnet(gate=BudgetPolicy, **arguments):
    keras.utils.set_random_seed(0)
    return tnn.models.ResNet((8, 8, 1), 10, depth=14, width=4, axis="depth", gate=gate, **arguments)


class Seen(keras.callbacks.Callback):
    """What the policy could do in each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        policy = policy_of(self.model)
        kept = int(policy.kept.values[0])
        self.epochs.append((kept, self.model.dial.values[0], policy.estimator.alpha))


def test_from_the_last_components_and_the_full_budget():
    model, seen = resnet(), Seen()
    model.compile("sgd", LOSS)
    x, y = np.zeros((4, 8, 8, 1), "float32"), np.arange(4)
    curriculum = BudgetCurriculum(epochs=3, low=0.1, alpha=0.8)
    logs = model.fit(x, y, epochs=5, callbacks=[curriculum, seen], verbose=0).history
    kept, c_min, a = zip(*seen.epochs, strict=True)
    assert kept == (5, 4, 2, 0, 0)  # the first i of 6 blocks
    assert c_min == (1.0, 0.7, 0.4, 0.1, 0.1)
    np.testing.assert_allclose(a, [0.8, 0.8 ** (2 / 3), 0.8 ** (1 / 3), 1, 1])
    assert logs["controlled"] == [1, 2, 4, 6, 6]
    np.testing.assert_allclose(logs["alpha"], a)


def test_the_logs_tell_what_was_earned():
    """Of a network that is always wrong with all blocks open, at c = 1: R = -gamma (1 + d)."""
    model = resnet()
    model.compile(keras.optimizers.SGD(0.0), LOSS)
    x = np.random.default_rng(0).random((8, 8, 8, 1)).astype("float32")
    y = (model.predict(x, verbose=0).argmax(axis=-1) + 1) % 10
    curriculum = BudgetCurriculum(BudgetReward(gamma=0.5, omega=0.1), epochs=0, low=1.0)
    logs = model.fit(x, y, validation_data=(x, y), callbacks=[curriculum], verbose=0).history
    assert logs["val_reward"] == [-0.5]  # all of the budget is used: d = 0
    assert -0.5 * 2.1 <= logs["reward"][0] <= 1
    assert "reward" not in model.evaluate(x, y, return_dict=True, verbose=0)


def test_a_share_of_the_samples_has_the_whole_budget():
    draw = BudgetCurriculum(whole=0.25).make_regime().draw
    model = resnet()
    model.dial.turn([0.1, 1.0])
    u = keras.ops.convert_to_numpy(draw.sample(model, 4000))
    assert u.min() >= 0.1
    # Three standard deviations of a binomial share.
    assert np.mean(u == 1) == pytest.approx(0.25, abs=3 * np.sqrt(0.25 * 0.75 / 4000))
    with pytest.raises(ValueError, match="Invalid value for `whole`"):
        BudgetCurriculum(whole=1.5)


def test_exploration_may_end_by_itself():
    schedule = BudgetCurriculum(epochs=10, alpha=0.8, beta=0.5)  # Eq. 11
    assert [schedule.bound_at(t) for t in (0, 1, 2, 3)] == [0.8, 0.8**0.5, 1, 1]


def test_joint_fine_tuning_is_the_end_of_the_curricula():
    schedule = BudgetCurriculum(epochs=0, low=0.1)
    found = schedule.range_at(0), schedule.controlled_at(0, 36), schedule.bound_at(0)
    assert found == ((0.1, 1.0), 36, 1.0)


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    found = datasets.load_digits()
    x, y = (found.images[..., None] / 16).astype("float32"), found.target
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


def mean_reward(model, x, y, reward, budgets=(0.3, 0.5, 0.7, 0.9)) -> float:
    """By Eq. 4, of what the policy does at inference."""
    policy, earned = policy_of(model), []
    for budget in budgets:
        usage = keras.ops.mean(policy(budget, image=x), axis=-1)
        right = right_answers(model, y, model.predict(x, utilization=budget, verbose=0))
        earned.append(reward(right, usage, np.full(len(x), budget, "float32")))
    return float(np.mean(earned))


def test_fit_earns_more_alone_and_together(digits):
    (x, y), test = digits
    reward = BudgetReward(gamma=0.25)
    first = resnet(tnn.gates.Independent)  # a network that can lose any blocks
    first.compile(keras.optimizers.Adam(1e-2), LOSS)
    first.fit(x, y, epochs=10, verbose=0)
    model = tnn.surgery.copy_weights(first, resnet())
    before = mean_reward(model, *test, reward)
    model.freeze_data_path()
    model.compile(keras.optimizers.Adam(5e-3), LOSS)
    model.fit(x, y, epochs=8, callbacks=[BudgetCurriculum(reward, epochs=5)], verbose=0)
    for layer in first.layers:  # the network stays as it was
        if not isinstance(layer, tnn.gates.Gate):
            pairs = zip(layer.weights, model.get_layer(layer.name).weights, strict=True)
            assert all(np.array_equal(one.numpy(), other.numpy()) for one, other in pairs)
    alone = mean_reward(model, *test, reward)
    opened = [float(np.mean(policy_of(model)(c, image=test[0]))) for c in (0.2, 0.5, 0.8)]
    assert opened == sorted({*opened})  # the higher the budget, the more is open
    model.freeze_data_path(False)
    model.compile(keras.optimizers.Adam(5e-3), LOSS)
    model.fit(x, y, epochs=4, callbacks=[BudgetCurriculum(reward, epochs=0)], verbose=0)
    together = mean_reward(model, *test, reward)
    # In several runs 0.31, 0.66 and 0.72.
    assert before + 0.1 < alone < together, (before, alone, together)


def test_throttle_makes_the_model(digits):
    (x, y), _ = digits
    plain = resnet(gate=None, throttled=False)
    model = tnn.throttle(plain, axes=("depth",), gate=partial(BudgetPolicy, hidden_units=8))
    assert policy_of(model).num_groups == 4  # blocks with an identity shortcut
    model.compile("adam", LOSS)
    logs = model.fit(x[:64], y[:64], callbacks=[BudgetCurriculum(epochs=0)], verbose=0).history
    assert np.isfinite(logs["loss"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reward": 1.0}, "Invalid value for `reward`. Expected a keras_tnn.losses.BudgetReward"),
        ({"epochs": -1}, "Invalid value for `epochs`. Expected a whole number, 0 or more"),
        ({"low": 1.5}, r"Invalid value for `low`. Expected a float in \(0, 1\]"),
        ({"alpha": 0.5}, r"Invalid value for `alpha`. Expected a float in \(0.5, 1\]"),
        ({"beta": -0.1}, "Invalid value for `beta`. Expected a float, 0 or more"),
    ],
)
def test_refuses_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BudgetCurriculum(**arguments)


@pytest.mark.parametrize(
    "gate", [None, tnn.gates.Blind, partial(BudgetPolicy, estimator=tnn.gates.Concrete())]
)
def test_refuses_other_gates(gate):
    model = resnet(gate)
    model.compile("sgd", LOSS)
    with pytest.raises(ValueError, match="BudgetCurriculum needs one keras_tnn.gates.BudgetPolicy"):
        model.fit(np.zeros((4, 8, 8, 1)), np.zeros(4), callbacks=[BudgetCurriculum()], verbose=0)


def test_a_model_without_blocks_is_refused():
    image = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(image))
    plain = keras.Model(image, keras.layers.Dense(10)(x))
    with pytest.raises(ValueError, match="has no residual block with an identity shortcut"):
        tnn.throttle(plain, axes=("depth",), gate=BudgetPolicy)
