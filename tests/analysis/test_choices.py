"""Outcomes, the oracle, escalation and the table of controllers, by hand and on digits."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.analysis import Escalation, Outcomes, escalation, oracle

LEVELS = (0.25, 0.5, 1.0)
MACS = (10, 30, 100)


def outcomes_of(right, confidence) -> Outcomes:
    """Outcomes of two classes in which every label is 1."""
    right, confidence = np.array(right, bool), np.array(confidence)
    ones = np.where(right, confidence, 1 - confidence)
    answers = np.stack([1 - ones, ones], axis=-1)
    return Outcomes(LEVELS, answers, np.ones(len(right), int), MACS, (1.0, 3.0, 10.0))


@pytest.fixture(scope="module")
def known() -> Outcomes:
    return outcomes_of(
        [[0, 0, 1], [1, 1, 1], [0, 1, 0], [0, 0, 0]],
        [[0.6, 0.8, 0.9], [0.9, 0.95, 1.0], [0.7, 0.6, 0.8], [0.55, 0.6, 0.7]],
    )


@pytest.fixture(scope="module")
def random_ones() -> Outcomes:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, (400, 3))
    return outcomes_of(rng.uniform(size=(400, 3)) < sure * (0.6, 0.8, 0.95), sure)


def test_oracle_runs_the_lowest_level_that_is_right(known):
    best = oracle(known)
    assert best.level.tolist() == [2, 0, 1, 0]
    assert best.accuracy == 0.75
    assert best.cost.tolist() == pytest.approx([1.0, 0.1, 0.3, 0.1])
    assert best.distribution(3).tolist() == [0.5, 0.25, 0.25]


def test_class_accuracy_and_a_class_without_samples(known):
    of_class = known.class_accuracy()
    assert np.isnan(of_class[0]).all()
    assert of_class[1].tolist() == [0.25, 0.5, 0.5]


def test_a_mixture_is_the_upper_hull_of_the_levels():
    many = outcomes_of(np.eye(10)[:, :3] + np.eye(10)[:, 3:6], np.full((10, 3), 0.9))
    # Accuracies .2 .2 .2: more MACs buy nothing, and the hull is flat.
    assert many.mixture(0.05) == many.mixture(0.5) == many.mixture(1.0) == pytest.approx(0.2)
    right = np.zeros((10, 3))
    right[:2, 0] = right[:3, 1] = right[:8, 2] = 1
    bent = outcomes_of(right, np.full((10, 3), 0.9))
    # The middle level (.3 of the MACs, .3 right) lies below the line from (.1, .2) to (1, .8).
    assert bent.mixture(0.3) == pytest.approx(0.2 + 0.6 * 0.2 / 0.9)


def test_escalation_pays_for_every_level_that_ran(known):
    made = Escalation(LEVELS, (0.65, 0.7)).on(known)
    assert made.level.tolist() == [1, 0, 0, 2]
    assert made.cost.tolist() == pytest.approx([0.4, 0.1, 0.1, 1.4])
    assert made.right.tolist() == [False, True, False, False]
    by_margin = Escalation(LEVELS, (0.3, 0.4), "margin").on(known)  # of two classes: 2 p - 1
    assert by_margin.level.tolist() == made.level.tolist()
    with pytest.raises(ValueError, match="`measure`. Expected one of"):
        Escalation(LEVELS, (0.3, 0.4), "entropy").on(known)


@pytest.mark.parametrize("budget", [0.15, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("most_levels", [2, 3])
def test_escalation_keeps_the_budget_and_beats_every_other_within_it(
    random_ones, budget, most_levels
):
    made = escalation(random_ones, budget, most_levels=most_levels).on(random_ones)
    assert made.mean_cost <= budget + 1e-9
    for low, high in [(0, 1), (0, 2), (1, 2)]:
        for threshold in np.linspace(0.5, 1, 11):
            pair = Escalation((LEVELS[low], LEVELS[high]), (threshold,)).on(random_ones)
            if pair.mean_cost <= budget:
                # Thresholds between two of the samples', of which the best may be tried: the
                # budget is used up, which is best where more MACs are more often right.
                assert made.accuracy >= pair.accuracy - 0.02


@pytest.mark.parametrize(
    ("levels", "thresholds"),
    [
        ((0.5, 0.25), (0.5,)),
        ((0.25, 0.5), (0.5, 0.5)),
        ((0.25, 0.5), (1.5,)),
        ((0.25, 0.5), (float("nan"),)),
        ((0.25,), ()),
    ],
)
def test_escalation_refuses(levels, thresholds):
    with pytest.raises(ValueError, match="Invalid value for `(levels|thresholds)`"):
        Escalation(levels, thresholds)


def test_escalation_refuses_budgets_and_levels_without_outcomes(known):
    for budget in (0, -1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]"):
            escalation(known, budget)
    with pytest.raises(ValueError, match="Expected at least 0.1"):
        escalation(known, 0.05)
    with pytest.raises(ValueError, match="Expected 2 or 3"):
        escalation(known, 0.5, most_levels=4)
    with pytest.raises(ValueError, match=r"Missing: \[0.75\]"):
        Escalation((0.25, 0.75), (0.5,)).on(known)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = tnn.models.VGG((8, 8, 1), 10, num_groups=4, filters=((8,), (8,)), dense_units=None)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.uniform(size=(60, 8, 8, 1)).astype("float32"), rng.integers(0, 10, 60)


def test_outcomes_are_those_of_the_cut_levels(network, images):
    x, y = images
    one_hot = np.eye(10)[y]
    outcomes = tnn.analysis.level_outcomes(network, x, y, LEVELS, batch_size=16, verbose=False)
    for k, u in enumerate(LEVELS):
        small = tnn.materialize(network, u)
        np.testing.assert_allclose(
            outcomes.probabilities[:, k], small.predict(x, verbose=0), atol=1e-6
        )
        assert outcomes.macs[k] == tnn.count_macs(small)
        assert outcomes.energy[k] == pytest.approx(tnn.cost.energy(tnn.cost.layer_costs(small)))
    again = tnn.analysis.level_outcomes(network, x, one_hot, LEVELS, verbose=False)
    assert (again.right == outcomes.right).all()


def test_outcomes_of_batches(network, images):
    tf = pytest.importorskip("tensorflow")
    x, y = images
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(7)
    given, arrays = (
        tnn.analysis.level_outcomes(network, *source, LEVELS, verbose=False)
        for source in ((data, None), (x, y))
    )
    np.testing.assert_allclose(given.probabilities, arrays.probabilities, atol=1e-6)
    assert (given.labels == arrays.labels).all()


def test_calibration_changes_the_levels(network, images):
    x, y = images
    plain, calibrated = (
        tnn.analysis.level_outcomes(network, x, y, LEVELS, calibration_data=data, verbose=False)
        for data in (None, x)
    )
    assert not np.allclose(plain.probabilities, calibrated.probabilities)


def test_what_has_no_confidence_is_refused(images):
    x, y = images
    features, u = keras.Input((8, 8, 1)), keras.Input((), name="utilization", optional=True)
    hidden = tnn.layers.ThrottleableConv2D(8, 3, num_groups=4)([features, u])
    outputs = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(hidden))
    model = tnn.ThrottledModel([features, u], outputs, name="regression")
    for loss in (None, "mse"):
        if loss:
            model.compile("sgd", loss)
        with pytest.raises(ValueError, match="'regression' says nothing of how sure it is"):
            tnn.analysis.level_outcomes(model, x, y, LEVELS, verbose=False)


@pytest.mark.parametrize("y", [None, np.zeros(3)])
def test_labels_must_be_there(network, images, y):
    with pytest.raises(ValueError, match="60 samples and (no|3) labels"):
        tnn.analysis.level_outcomes(network, images[0], y, LEVELS, verbose=False)


def test_logits_and_yes_or_no():
    image = keras.Input((3,))
    logits = keras.Model(image, keras.layers.Dense(2)(image))
    logits.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    given = np.log([[0.25, 0.75]])
    np.testing.assert_allclose(tnn.losses.class_probabilities(logits)(given), [[0.25, 0.75]])
    yes = keras.Model(image, keras.layers.Dense(1)(image))
    yes.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    given = np.log([[3.0]])
    np.testing.assert_allclose(
        tnn.losses.class_probabilities(yes)(given), [[0.25, 0.75]], rtol=1e-6
    )


class Constant(keras.layers.Layer):
    """Chooses one level for every image."""

    def __init__(self, level: int, levels: int):
        super().__init__()
        self.choice = np.eye(levels)[level].astype("float32")

    def call(self, x):
        return keras.ops.broadcast_to(self.choice, (keras.ops.shape(x)[0], len(self.choice)))


def controller_of(level: int, levels: int = 3) -> keras.Model:
    image = keras.Input((8, 8, 1))
    pooled = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(image))
    return keras.Model(image, Constant(level, levels)(pooled), name=f"always_{level}")


def test_table_counts_the_controllers_own_cost(network, images, tmp_path):
    x, y = images
    outcomes = tnn.analysis.level_outcomes(network, x, y, LEVELS, verbose=False)
    table = tnn.analysis.evaluate_controller(controller_of(1), x, outcomes, outcomes)
    made = table.controllers[0]
    own = 5 / outcomes.macs[-1]  # one input of a dense layer of 5 units
    assert made.mean_cost == pytest.approx(outcomes.shares[1] + own)
    assert made.accuracy == outcomes.accuracy[1]
    assert table.escalated[0].mean_cost <= made.mean_cost + 1e-9
    lines = str(table).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "always_1", "escalation", "oracle", "u=0.25", "u=0.5", "u=1"
    ]  # fmt: skip
    for draw in (table.plot, table.plot_levels):
        draw(tmp_path / "figure.png")
    tnn.analysis.class_figure(outcomes, path=tmp_path / "classes.png")
    with pytest.raises(ValueError, match="Expected 10 names. Received: 2"):
        tnn.analysis.class_figure(outcomes, ["cat", "dog"])


def test_the_lowest_level_is_not_paid_twice(network, images):
    x, y = images
    outcomes = tnn.analysis.level_outcomes(network, x, y, LEVELS, verbose=False)
    keras.utils.set_random_seed(1)
    behind = tnn.controllers.BehindLevel(network, LEVELS[0], 3, units=())
    made = tnn.analysis.evaluate_controller(behind, x, outcomes, outcomes).controllers[0]
    own = tnn.count_macs(behind) / outcomes.macs[-1]
    expected = np.where(made.level == 0, own, own + outcomes.shares[made.level])
    np.testing.assert_allclose(made.cost, expected)
    assert own > outcomes.shares[0]
    answer = behind.predict(x, verbose=0)["answer"]
    np.testing.assert_allclose(answer, outcomes.probabilities[:, 0], atol=1e-6)


def test_a_controller_of_other_levels_is_refused(network, images):
    x, y = images
    outcomes = tnn.analysis.level_outcomes(network, x, y, LEVELS, verbose=False)
    with pytest.raises(ValueError, match="chooses from 3 levels .* 'always_0' .*60, 4"):
        tnn.analysis.evaluate_controller(controller_of(0, levels=4), x, outcomes, outcomes)
