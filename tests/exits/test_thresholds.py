"""Each sample stops at the first exit that is sure, and pays for what it passed."""

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.exits import ExitThresholds
from keras_tnn.exits.exit_costs import head_costs
from keras_tnn.losses.class_probabilities import certainty_of_answers
from networks import chain_with_exits, compiled, dialled, samples

X, Y = samples(24)
NAMES = ("exit1", "exit2", "classes")


@pytest.fixture(scope="module")
def model():
    made = compiled(chain_with_exits())
    made.fit(X, Y, epochs=2, verbose=0)
    return made


def test_zero_stops_at_the_first_exit_and_one_at_the_last(model):
    every = model.predict(X, verbose=0)
    for threshold, number in ((0.0, 0), (1.0, 2)):
        limits = dict.fromkeys(NAMES[:2], threshold)
        answers, taken = model.predict(X, thresholds=limits, return_exits=True, verbose=0)
        assert set(taken) == {number}
        np.testing.assert_array_equal(answers, every[number])


@hypothesis.given(
    st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.sampled_from(["probability", "margin"])
)
def test_a_higher_threshold_never_stops_earlier(one, other, measure):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), size=(3, 20))
    sure = certainty_of_answers(probabilities, measure)
    low, high = sorted((one, other))
    taken = [
        ExitThresholds({"exit1": limit, "exit2": 0.6}, measure).first_sure(NAMES, sure)
        for limit in (low, high)
    ]
    assert np.all(taken[0] <= taken[1])


def test_the_margin_is_above_the_next_class():
    probabilities = np.array([[0.5, 0.45, 0.05], [0.4, 0.2, 0.4]])
    margin = certainty_of_answers(probabilities, "margin")
    np.testing.assert_allclose(margin, [0.05, 0], atol=1e-12)
    assert certainty_of_answers(probabilities).tolist() == [0.5, 0.4]


def test_heads_that_are_asked_cost_and_others_do_not(model):
    """conv1 6,912 and conv2 18,432 MACs; the heads 4,608 + 24 and 18,432 + 48."""
    exits, heads = model.exit_costs(), head_costs(model, "macs")
    assert heads == {"exit1": 4608 + 24, "exit2": 18432 + 48, "classes": 0}
    assert exits["exit2"] == 6912 + 18432 + heads["exit2"]
    both = ExitThresholds({"exit1": 0.5, "exit2": 0.5}).costs(NAMES, exits, heads)
    assert both[1] == exits["exit2"] + heads["exit1"]
    assert both[2] == exits["classes"] + heads["exit1"] + heads["exit2"]
    second = ExitThresholds({"exit2": 0.5}).costs(NAMES, exits, heads)
    assert second[1:].tolist() == [exits["exit2"], exits["classes"] + heads["exit2"]]


@pytest.mark.parametrize("kind", ["arrays", "dataset", "weights"])
def test_evaluate_judges_the_answers(model, kind):
    sure = [certainty_of_answers(one, "margin") for one in model.predict(X, verbose=0)]
    halves = {name: float(np.median(one)) for name, one in zip(NAMES[:2], sure, strict=False)}
    limits = ExitThresholds(halves, "margin")
    answers, taken = model.predict(X, thresholds=limits, return_exits=True, verbose=0)
    assert set(taken) == {0, 1, 2}
    arguments = {"thresholds": limits, "verbose": 0, "return_dict": True}
    if kind == "dataset":
        tf = pytest.importorskip("tensorflow")
        shuffled = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(24).batch(5)
        logs = model.evaluate(shuffled, **arguments)
    elif kind == "weights":
        logs = model.evaluate(X, Y, sample_weight=np.ones(24), **arguments)
    else:
        logs = model.evaluate(X, Y, **arguments)
        listed = model.evaluate(X, Y, thresholds=limits, verbose=0)
        np.testing.assert_allclose(listed, [*logs.values()])
    assert logs["accuracy"] == pytest.approx((answers.argmax(-1) == Y).mean())
    loss = keras.losses.sparse_categorical_crossentropy(Y, answers)
    assert logs["loss"] == pytest.approx(float(np.mean(loss)), rel=1e-5)
    costs = limits.costs(NAMES, model.exit_costs(), head_costs(model, "macs"))
    assert logs["share"] == pytest.approx(costs[taken].mean() / model.exit_costs()["classes"])


def test_logits_are_turned_into_probabilities():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = compiled(chain_with_exits(), loss=loss)
    logits = model.predict(X, verbose=0)
    sure = keras.ops.convert_to_numpy(keras.ops.softmax(logits[0])).max(-1)
    limit = float(np.median(sure))
    _, taken = model.predict(X, thresholds={"exit1": limit}, return_exits=True, verbose=0)
    np.testing.assert_array_equal(taken == 0, sure >= limit)


def test_at_a_level():
    model = compiled(dialled())
    limits = {"exit1": 0.4}
    logs = model.evaluate(X, Y, thresholds=limits, utilization=0.5, verbose=0, return_dict=True)
    _, taken = model.predict(X, thresholds=limits, utilization=0.5, return_exits=True, verbose=0)
    low, heads = model.exit_costs(utilization=0.5), head_costs(model, "macs", 0.5)
    costs = ExitThresholds(limits).costs(model.exit_names, low, heads)
    assert logs["share"] == pytest.approx(costs[taken].mean() / model.exit_costs()["predictions"])


def test_outcomes_and_evaluate_agree(model):
    outcomes = tnn.analysis.exit_outcomes(model, X, Y, batch_size=7)
    every = model.evaluate(X, Y, verbose=0, return_dict=True)
    np.testing.assert_allclose(outcomes.accuracy, [every[f"{name}_accuracy"] for name in NAMES])
    for limits in (ExitThresholds({"exit1": 0.4, "exit2": 0.5}), ExitThresholds({"exit2": 0.4})):
        made = outcomes.stopped(limits)
        logs = model.evaluate(X, Y, thresholds=limits, verbose=0, return_dict=True)
        assert made.accuracy == pytest.approx(logs["accuracy"])
        assert made.mean_cost == pytest.approx(logs["share"])


@hypothesis.given(
    st.floats(0.2, 1.0), st.integers(1, 2), st.sampled_from(["probability", "margin"])
)
@hypothesis.settings(max_examples=20)
def test_calibrated_thresholds_keep_to_the_budget(budget, most, measure):
    rng = np.random.default_rng(1)
    outcomes = tnn.analysis.ExitOutcomes(
        NAMES, rng.dirichlet(np.ones(4), size=(40, 3)), rng.integers(0, 4, 40),
        (20, 50, 100), (1e-6, 2e-6, 3e-6), heads=(5, 10, 0), whole=100,
    )  # fmt: skip
    found = tnn.analysis.exit_thresholds(outcomes, budget, most_exits=most, measure=measure)
    made = outcomes.stopped(found)
    assert made.mean_cost <= budget + 1e-9
    within = outcomes.shares <= budget
    assert made.accuracy >= outcomes.accuracy[within].max() - 1e-9 or most == 1


def test_calibration_at_a_level_of_a_dial():
    model = compiled(dialled(batch_normalization=False))
    outcomes = tnn.analysis.exit_outcomes(model, X, Y, 0.5)
    assert outcomes.shares[-1] < 0.5  # of the whole network at u = 1
    found = tnn.analysis.exit_thresholds(outcomes, 0.25)
    logs = model.evaluate(X, Y, thresholds=found, utilization=0.5, verbose=0, return_dict=True)
    assert logs["share"] <= 0.25


def test_arguments_that_cannot_be(model):
    for wrong in ({}, {"exit1": 1.5}, {"exit1": True}, [0.5], 0.5):
        with pytest.raises(ValueError, match="Expected a dict from names of early exits to floats"):
            model.predict(X, thresholds=wrong)
    with pytest.raises(ValueError, match=r"the early exits. Received: \['classes'\]"):
        model.predict(X, thresholds={"classes": 0.5})
    with pytest.raises(ValueError, match="Invalid value for `measure`. Expected one of"):
        ExitThresholds({"exit1": 0.5}, "entropy")
    with pytest.raises(ValueError, match="says nothing of how sure it is"):
        chain_with_exits().predict(X, thresholds={"exit1": 0.5})
    outcomes = tnn.analysis.exit_outcomes(model, X, Y)
    with pytest.raises(ValueError, match="Invalid value for `most_exits`. Expected 1 or 2"):
        tnn.analysis.exit_thresholds(outcomes, 0.5, most_exits=3)
    with pytest.raises(ValueError, match="Expected at least 0.1"):
        tnn.analysis.exit_thresholds(outcomes, 0.01)
