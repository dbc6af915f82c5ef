"""The bandit against numpy, and what it learns where the right choice is known."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_tnn as tnn
from keras_tnn.controllers import BehindLevel, ContextualBandit, DepthwiseCNN, JointTuning, Reward
from keras_tnn.controllers.judged import Judged
from keras_tnn.controllers.level_costs import level_costs
from keras_tnn.controllers.policy_gradient import entropy_of, policy_losses

LEVELS = (0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = tnn.models.VGG((8, 8, 1), 10, num_groups=4, filters=((8,), (8,)), dense_units=None)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.train_on_batch(np.zeros((2, 8, 8, 1)), np.zeros(2))
    return model


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.uniform(size=(96, 8, 8, 1)).astype("float32"), rng.integers(0, 10, 96)


def controller(levels: int = 3) -> keras.Model:
    return DepthwiseCNN((8, 8, 1), levels, filters=(4, 8))


def test_reward_by_hand():
    right = np.array([True, True, False, False])
    p = np.array([0.9, 0.2, 0.9, 0.2])
    c = np.array([0.25, 1.0, 0.25, 1.0])
    worth = ops.convert_to_numpy(Reward(0.4, 1.2)(right, p, c))
    earned = np.exp(1 - c) * (1 - c)
    lost = (p + 0.4) * (c + 1.2)
    np.testing.assert_allclose(worth, np.where(right, earned, -lost), rtol=1e-6)
    assert worth[1] == 0


def test_loss_by_hand():
    pi = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], "float32")
    losses = policy_losses(np.array([2.0, -1.0], "float32"), pi, np.array([1, 0]))
    np.testing.assert_allclose(losses, [-2 * np.log(0.3), np.log(0.6)], rtol=1e-6)
    np.testing.assert_allclose(entropy_of(pi), -(pi * np.log(pi)).sum(1), rtol=1e-6)


def test_bandit_loss_is_that_of_the_level_it_took(network):
    pi = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], "float32")
    right = np.array([[True, False, True], [False, True, True]])
    confidence = np.array([[0.9, 0.8, 0.7], [0.5, 0.6, 0.7]], "float32")
    table = ops.stack([ops.cast(right, "float32"), confidence], axis=-1)
    bandit = ContextualBandit(network, controller(), LEVELS, epsilon=0.0)
    bandit.compile("sgd")
    rewards = ops.convert_to_numpy(Reward()(right, confidence, np.array(bandit.costs)))
    loss = bandit.compute_loss(None, table, ops.array(pi))
    taken = -rewards[0, 2] * np.log(0.5), -rewards[1, 0] * np.log(0.6)
    assert float(loss) == pytest.approx(np.mean(taken), rel=1e-5)
    loss = bandit.compute_loss(None, table, ops.array(pi), np.array([2.0, 0.0]))
    assert float(loss) == pytest.approx(taken[0], rel=1e-5)
    exact = ContextualBandit(network, controller(), LEVELS, exact=True, entropy=0.1)
    exact.compile("sgd")
    entropies = -(pi * np.log(pi)).sum(1)
    expected = np.mean(-(pi * rewards).sum(1) - 0.1 * entropies)
    assert float(exact.compute_loss(None, table, ops.array(pi))) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_exploration(network, epsilon):
    bandit = ContextualBandit(network, controller(), LEVELS, epsilon=epsilon)
    bandit.compile("sgd")
    pi = ops.array(np.tile(np.array([[0.2, 0.5, 0.3]], "float32"), (9000, 1)))
    shares = np.bincount(ops.convert_to_numpy(bandit.explore(pi)), minlength=3) / 9000
    expected = np.array([epsilon / 3, 1 - epsilon * 2 / 3, epsilon / 3])
    np.testing.assert_allclose(shares, expected, atol=0.02)  # four standard deviations


def test_costs(network):
    assert level_costs(network, LEVELS, "utilization") == LEVELS
    small = [tnn.materialize(network, u) for u in LEVELS]
    macs = np.array([tnn.count_macs(one) for one in small])
    np.testing.assert_allclose(level_costs(network, LEVELS, "macs"), macs / macs[-1])
    joules = np.array([tnn.cost.energy(tnn.cost.layer_costs(one)) for one in small])
    np.testing.assert_allclose(level_costs(network, LEVELS, "energy"), joules / joules[-1])
    for cost in ("watts", {0.25: 1.0, 0.5: 2.0}, {0.25: 1.0, 0.5: -2.0, 1.0: 3.0}, 3):
        with pytest.raises(ValueError, match="Invalid value for `cost`"):
            level_costs(network, LEVELS, cost)


def test_a_kept_table_is_what_levels_answer_batch_by_batch(network, images):
    x, y = images
    kept, asked = (
        ContextualBandit(network, controller(), LEVELS, calibration_data=x, cache=cache)
        for cache in (True, False)
    )
    same, table = kept.judge()(x, y, 32)
    outcomes = tnn.analysis.level_outcomes(network, x, y, LEVELS, calibration_data=x, verbose=False)
    assert same is x
    assert (table[..., 0] == outcomes.right).all()
    np.testing.assert_allclose(table[..., 1], outcomes.confidence, atol=1e-6)
    batches, none = asked.judge()(x, y, 32)
    assert none is None
    seen = sum(len(batches[i][0]) for i in range(len(batches)))
    assert seen == len(x)
    for i in range(len(batches)):
        part, of_part = batches[i]
        places = [np.flatnonzero((x == one).all((1, 2, 3)))[0] for one in part]
        assert (of_part[..., 0] == table[places, :, 0]).all()


def test_the_network_stays_as_it_is(network, images):
    x, y = images
    before = [w.numpy() for w in network.weights]
    bandit = ContextualBandit(network, controller(), LEVELS)
    bandit.compile(keras.optimizers.Adam(1e-2))
    first = bandit.controller.get_weights()
    bandit.fit(x, y, epochs=2, verbose=0, validation_data=(x, y))
    for old, new in zip(before, network.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    assert not np.allclose(first[0], bandit.controller.get_weights()[0])
    assert network.trainable_weights  # and can go on learning


def test_weights_of_samples(network, images):
    x, y = images
    bandit = ContextualBandit(network, controller(), LEVELS, exact=True)
    bandit.compile("sgd")
    twice = bandit.evaluate(np.repeat(x[:8], 2, 0), np.repeat(y[:8], 2), verbose=0)
    half = bandit.evaluate(
        x[:16], y[:16], sample_weight=np.repeat([2.0, 0.0], 8).astype("float32"), verbose=0
    )
    np.testing.assert_allclose(twice[0], half[0], rtol=1e-5)


@pytest.mark.parametrize("exact", [False, True])
def test_it_learns_which_images_need_more(exact):
    """A network whose lower level sees only the left half of an image: which half decides."""
    rng = np.random.default_rng(0)
    x = np.zeros((600, 4, 4, 1), "float32")
    y, hard = rng.integers(0, 2, 600), rng.integers(0, 2, 600)
    x[np.arange(600), 0, hard, 0] = 1 + y  # row 0, column 0 or 1: where the class stands
    model = two_detectors()
    levels = (0.5, 1.0)
    outcomes = tnn.analysis.level_outcomes(model, x, y, levels, verbose=False)
    assert outcomes.right[:, 1].all()
    assert (outcomes.right[:, 0] == ((hard == 0) | (y == 0))).all()
    keras.utils.set_random_seed(1)
    image = keras.Input((4, 4, 1))
    hidden = keras.layers.Dense(16, "relu")(keras.layers.Flatten()(image))
    chooser = keras.Model(image, keras.layers.Dense(2, "softmax")(hidden))
    bandit = ContextualBandit(model, chooser, levels, cost="utilization", exact=exact, epsilon=0.3)
    bandit.compile(keras.optimizers.Adam(1e-2))
    bandit.fit(x, y, epochs=30, verbose=0)
    loss, reward, accuracy, cost = bandit.evaluate(x, y, verbose=0)
    best = tnn.analysis.oracle(outcomes)
    needed = np.array(levels)[best.level].mean()
    assert accuracy == pytest.approx(1.0)
    assert cost == pytest.approx(needed, abs=0.01)


def two_detectors() -> keras.Model:
    """Class 1 if the first or the second pixel is 2; the second detector is open at u = 1 only."""
    image, u = keras.Input((4, 4, 1)), keras.Input((), name="utilization", optional=True)
    flat = keras.layers.Flatten()(image)
    hidden = keras.layers.Dense(2, "relu", name="detectors")(flat)
    hidden = tnn.layers.ChannelGate(num_groups=2)([hidden, u])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2, "softmax", name="out")(hidden))
    kernel = np.zeros((16, 2))
    kernel[0, 0] = kernel[1, 1] = 1
    model.get_layer("detectors").set_weights([kernel, np.full(2, -1.5)])
    model.get_layer("out").set_weights([np.array([[-9, 9], [-9, 9]]), np.array([2.0, -2.0])])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_joint_tuning_trains_both():
    y = np.arange(96) % 4
    noise = np.random.default_rng(0).uniform(size=(96, 8, 8, 1))
    x = (noise + y[:, None, None, None]).astype("float32")
    keras.utils.set_random_seed(2)
    model = tnn.models.VGG(
        (8, 8, 1), 10, num_groups=4, filters=((8,), (8,)), dense_units=None,
        batch_normalization=False,
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.get_weights()
    both = JointTuning(model, controller(), LEVELS, epsilon=0.2)
    both.compile(keras.optimizers.Adam(1e-2))
    history = both.fit(x, y, epochs=30, verbose=0).history
    assert history["accuracy"][-1] > history["accuracy"][0] + 0.3
    assert not np.allclose(before[0], model.get_weights()[0])
    answers = both.predict(x[:5], verbose=0)
    u = np.array(LEVELS)[answers["level"]]
    np.testing.assert_allclose(
        answers["answer"], model.predict(x[:5], utilization=u, verbose=0), atol=1e-6
    )


def test_joint_tuning_loss_is_the_networks_and_the_controllers(network, images):
    x, y = images
    both = JointTuning(network, controller(), LEVELS, entropy=0.1)
    both.compile("sgd")
    made = both(x)
    level = ops.convert_to_numpy(made["level"])
    probabilities = ops.convert_to_numpy(made["answer"])
    right = probabilities.argmax(1) == y
    costs = np.array(both.costs)[level]
    reward = ops.convert_to_numpy(Reward()(right, probabilities.max(1), costs))
    pi = ops.convert_to_numpy(made["choice"])
    policy = -reward * np.log(pi[np.arange(len(y)), level]) + 0.1 * (pi * np.log(pi)).sum(1)
    task = -np.log(probabilities[np.arange(len(y)), y])
    assert float(both.compute_loss(x, y, made)) == pytest.approx(
        task.mean() + policy.mean(), rel=1e-5
    )


@pytest.mark.parametrize("cls", [ContextualBandit, JointTuning])
def test_round_trip(network, images, cls, tmp_path):
    x, _ = images
    bandit = cls(network, controller(), LEVELS, epsilon=0.25, cost={0.25: 1.0, 0.5: 2.0, 1.0: 4.0})
    bandit.compile("sgd")
    bandit.save(tmp_path / "bandit.keras")
    loaded = keras.saving.load_model(tmp_path / "bandit.keras")
    assert loaded.costs == (0.25, 0.5, 1.0)
    assert loaded.epsilon == 0.25
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        bandit.predict(x[:4], verbose=0),
        loaded.predict(x[:4], verbose=0),
    )


def test_a_schedule_of_epsilon(network, images):
    fall = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)
    bandit = ContextualBandit(network, controller(), LEVELS, epsilon=fall)
    bandit.compile("sgd")
    bandit.fit(*images, batch_size=10, verbose=0)
    assert int(bandit.steps) == 10
    pi = ops.array(np.tile([[0.2, 0.5, 0.3]], (100, 1)).astype("float32"))
    assert (ops.convert_to_numpy(bandit.explore(pi)) == 1).all()


def test_batches_of_every_kind(network, images):
    tf = pytest.importorskip("tensorflow")
    x, y = images
    bandit = ContextualBandit(network, controller(), LEVELS)
    bandit.compile("sgd")
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(40)
    history = bandit.fit(dataset, epochs=2, verbose=0, validation_data=dataset).history
    assert len(history["val_accuracy"]) == 2
    endless = dataset.repeat()
    with pytest.raises(ValueError, match="whose number is known"):
        bandit.fit(endless, verbose=0)


class Listed(keras.utils.PyDataset):
    """Batches that are listed."""

    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def test_batches_of_a_pydataset(network, images):
    x, y = images
    bandit = ContextualBandit(network, controller(), LEVELS)
    batches, _ = bandit.judge()(Listed((x[:5], y[:5]), (x[5:9], y[5:9])), None, None)
    assert isinstance(batches, Judged)
    outcomes = tnn.analysis.level_outcomes(network, x[:9], y[:9], LEVELS, verbose=False)
    right = np.concatenate([batches[i][1][..., 0] for i in range(len(batches))])
    assert (right == outcomes.right).all()
    unlabelled, _ = bandit.judge()(Listed(x[:5]), None, None)
    with pytest.raises(ValueError, match="Received one without y"):
        unlabelled[0]


def test_behind_level_is_frozen_and_shows_the_lowest_answer(network, images):
    x, y = images
    chooser = BehindLevel(network, LEVELS[0], 3)
    level = tnn.materialize(network, LEVELS[0])
    held = chooser.get_layer("lowest_level")
    before = [w.numpy() for w in held.weights]
    bandit = ContextualBandit(network, chooser, LEVELS)
    bandit.compile(keras.optimizers.Adam(1e-2))
    bandit.fit(x, y, epochs=2, verbose=0)
    for old, new in zip(before, held.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    np.testing.assert_allclose(
        chooser.predict(x, verbose=0)["answer"], level.predict(x, verbose=0), atol=1e-6
    )
    with pytest.raises(ValueError, match="holds no level"):
        JointTuning(network, chooser, LEVELS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": (0.5, 1.0)}, r"Expected an output of shape \(batch, 2\)"),
        ({"levels": (1.0, 0.5, 0.25)}, "levels that rise"),
        ({"epsilon": 1.5}, r"`epsilon`. Expected a float in \[0, 1\]"),
        ({"epsilon": -0.1}, r"`epsilon`. Expected a float in \[0, 1\]"),
        ({"entropy": -1.0}, "`entropy`"),
        ({"cost": "watts"}, "`cost`"),
    ],
)
def test_bad_arguments(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        ContextualBandit(network, controller(), **{"levels": LEVELS, **arguments})


@pytest.mark.parametrize("gammas", [(-0.1, 1.5), (0.5, -1.5), (float("nan"), 1.5)])
def test_a_reward_with_a_negative_gamma(gammas):
    with pytest.raises(ValueError, match="Invalid value for `gamma_[12]`"):
        Reward(*gammas)


def test_data_without_labels(network, images):
    bandit = ContextualBandit(network, controller(), LEVELS)
    bandit.compile("sgd")
    with pytest.raises(ValueError, match="96 samples and no labels"):
        bandit.fit(images[0], verbose=0)


def test_a_network_that_does_not_classify(network):
    other = keras.models.clone_model(network)
    other.compile("sgd", "mse")
    bandit = ContextualBandit(other, controller(), LEVELS)
    bandit.compile("sgd")
    with pytest.raises(ValueError, match="says nothing of how sure it is"):
        bandit.fit(np.zeros((4, 8, 8, 1)), np.zeros(4), verbose=0)
