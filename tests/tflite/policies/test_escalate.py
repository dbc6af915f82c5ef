"""Escalation by confidence: what is kept, what goes on, and what is refused."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from tnn_tflite.bundle.programs import Quantization
from tnn_tflite.dispatch.result import Result
from tnn_tflite.policies import Choice, Escalate, certainty_of

UTILIZATIONS = (0.25, 0.5, 0.75, 1.0)  # of the levels in these tests


def logits(*probabilities):
    """Logits of two classes, the first with these probabilities."""
    p = np.array(probabilities)
    return np.stack([np.log(p), np.log(1 - p)], axis=-1).astype("float32") + 3.0


def ran(levels, place, outputs):
    return Result(outputs, levels[place], 1.0, "", samples=len(outputs))


def test_confidence_is_the_largest_probability():
    # e^2 / (e^2 + 1 + 1) = 0.7870; halved logits: e^1 / (e^1 + 2) = 0.5761
    scores = np.array([[2.0, 0.0, 0.0]], "float32")
    np.testing.assert_allclose(certainty_of(scores), 0.7870, atol=1e-4)
    np.testing.assert_allclose(certainty_of(scores, temperature=2.0), 0.5761, atol=1e-4)


def test_probabilities_stay_as_they_are():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 10)) * 4
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    np.testing.assert_allclose(certainty_of(p.astype("float32")), p.max(-1), rtol=1e-5)
    np.testing.assert_allclose(
        certainty_of(p, temperature=1.7), certainty_of(z, temperature=1.7), rtol=1e-6
    )
    as_int8 = np.round(p * 256) / 256  # as int8 networks round them
    assert np.abs(certainty_of(as_int8) - p.max(-1)).max() < 0.01  # 10 errors of 1/512 in the sum
    sure = np.array([[1.0, 0.0, 0.0]], "float32")
    assert certainty_of(sure) == 1.0


def test_the_margin_to_the_next_class():
    scores = np.array([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8]], "float32")
    np.testing.assert_allclose(certainty_of(scores, "margin"), [0.2, 0.7], atol=1e-6)
    with pytest.raises(ValueError, match=r"one of \('probability', 'margin'\). .*measure='ratio'"):
        Escalate([0.5], measure="ratio")


@pytest.mark.parametrize("measure", ["probability", "margin"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_one_answer_is_judged_as_in_a_batch(measure, temperature):
    rng = np.random.default_rng(0)
    z = 4 * rng.normal(size=(50, 10)).astype("float32")
    z[:20] = np.exp(z[:20]) / np.exp(z[:20]).sum(-1, keepdims=True)  # probabilities
    z[0], z[1], z[2, 3] = np.eye(10)[4], 0.1, np.nan
    batch = certainty_of(z, measure, temperature)
    alone = [certainty_of(row[None], measure, temperature) for row in z]
    np.testing.assert_allclose(np.concatenate(alone), batch, rtol=1e-12)
    assert np.isnan(batch).tolist() == [i == 2 for i in range(50)]


def test_large_logits_do_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        assert certainty_of(np.array([[1e30, -1e30]], "float32")) == 1.0


def test_the_lowest_level_runs_first(levels):
    choice = Escalate([0.5] * 3).choose(levels, {})
    assert (choice.utilization, choice.reason) == (
        0.25,
        "u=0.25 first, higher where it is not sure",
    )


def test_each_sample_is_kept_or_goes_on(levels):
    policy = Escalate([0.9, 0.8, 0.7])
    outputs = logits(0.95, 0.85, 0.2, 0.02, 0.75)
    for place, kept in ((0, [0, 3]), (1, [0, 1, 2, 3]), (2, [0, 1, 2, 3, 4])):
        choice = policy.go_on(levels, ran(levels, place, outputs))
        expected = np.full(5, UTILIZATIONS[place + 1])
        expected[kept] = 0.0
        if len(kept) == 5:
            assert choice is None
        else:
            np.testing.assert_array_equal(choice.utilization, expected)
            u = UTILIZATIONS[place]
            assert choice.reason == f"u={u:g} was not sure of {5 - len(kept)} of 5"
    assert policy.go_on(levels, ran(levels, 3, logits(0.5))) is None  # there is no higher one


def test_a_confidence_at_the_threshold_is_enough(levels):
    half = np.zeros((1, 2), "float32")  # a confidence of exactly 0.5
    assert Escalate([0.5] * 3).go_on(levels, ran(levels, 0, half)) is None
    assert isinstance(Escalate([0.51] * 3).go_on(levels, ran(levels, 0, half)), Choice)


def test_what_is_no_number_is_not_sure(levels):
    choice = Escalate([0.0] * 3).go_on(levels, ran(levels, 0, np.full((1, 2), np.nan, "float32")))
    assert choice.utilization == 0.5


def test_thresholds_of_classes(levels):
    """The first class is believed at 0.6, the second at 0.9."""
    policy = Escalate([[0.6, 0.9]] * 3)
    choice = policy.go_on(levels, ran(levels, 0, logits(0.7, 0.3, 0.05, 0.55)))
    np.testing.assert_array_equal(choice.utilization, [0.0, 0.5, 0.0, 0.5])
    with pytest.raises(ValueError, match="one for each of the 3 classes. Received: 2"):
        policy.go_on(levels, ran(levels, 0, np.zeros((1, 3), "float32")))


def test_some_of_the_levels(levels):
    policy = Escalate([0.9], levels=[0.5, np.float32(1.0)])
    assert policy.choose(levels, {}).utilization == 0.5
    choice = policy.go_on(levels, ran(levels, 1, logits(0.6)))
    np.testing.assert_array_equal(choice.utilization, [1.0])
    assert policy.go_on(levels, ran(levels, 3, logits(0.6))) is None
    with pytest.raises(ValueError, match=r"levels of the bundle, \(0.25, .*levels=\(0.3, 1.0\)"):
        Escalate([0.9], levels=[0.3, 1.0]).choose(levels, {})


def test_one_output_of_several(levels):
    outputs = {"boxes": np.zeros((1, 4, 4), "float32"), "scores": logits(0.6)}
    result = Result(outputs, levels[0], 1.0, "", samples=1)
    assert Escalate([0.9] * 3, output="scores").go_on(levels, result).utilization == 0.5
    for output in (None, "box"):
        message = rf"one of \['boxes', 'scores'\]. Received: output={output!r}"
        with pytest.raises(ValueError, match=message):
            Escalate([0.9] * 3, output=output).go_on(levels, result)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4, 2), (1,)])
def test_no_classification(levels, shape):
    with pytest.raises(ValueError, match="the scores of a classifier, floats or quantized"):
        Escalate([0.9] * 3).go_on(levels, ran(levels, 0, np.zeros(shape, "float32")))


def integers(quantization, outputs, utilization=0.25):
    """What a level gives whose outputs are integers."""
    level = SimpleNamespace(utilization=utilization, output_quantization=quantization)
    return Result(outputs, level, 1.0, "", samples=1)


def test_integers_count_as_what_they_stand_for(levels):
    """Logits 0.4 (q - 100) of 1.6 and 0: 1 / (1 + e^-1.6) = 0.832."""
    scores, coarse = np.array([[104, 100]], "uint8"), Quantization(0.4, 100)
    assert Escalate([0.83] * 3).go_on(levels, integers((coarse,), scores)) is None
    assert Escalate([0.84] * 3).go_on(levels, integers((coarse,), scores)).utilization == 0.5
    outputs = {"boxes": np.zeros((1, 4, 4), "float32"), "scores": scores}
    policy = Escalate([0.84] * 3, output="scores")
    assert policy.go_on(levels, integers((None, coarse), outputs)).utilization == 0.5


@pytest.mark.parametrize("quantization", [(), (None,)])
def test_other_integers_are_no_scores(levels, quantization):
    result = integers(quantization, np.zeros((1, 2), "int8"))
    with pytest.raises(ValueError, match=r"of shape \(batch, classes\).* Received: int8"):
        Escalate([0.9] * 3).go_on(levels, result)


@pytest.mark.parametrize(
    "thresholds", [[1.1], [-0.1, 0.5], [float("nan")], 0.5, "half", [[0.5], [0.5, 0.6]], [None]]
)
def test_wrong_thresholds(thresholds):
    with pytest.raises(ValueError, match=r"`thresholds`. Expected numbers in \[0, 1\], one for"):
        Escalate(thresholds)


def test_other_levels_make_another_climb(levels):
    policy = Escalate([0.9] * 3)
    for known in (levels, levels[1:] + (dataclasses.replace(levels[-1], utilization=2.0),)):
        assert policy.choose(known, {}).utilization == known[0].utilization
        choice = policy.go_on(known, ran(known, 1, logits(0.6)))
        assert choice.utilization == known[2].utilization
    with pytest.raises(ValueError, match="2 for the levels .* Received: 3"):
        policy.choose(levels[1:], {})


def test_another_number_of_thresholds(levels):
    message = "one for each level but the last, 3 for the levels .* Received: 4"
    with pytest.raises(ValueError, match=message):
        Escalate([0.5] * 4).choose(levels, {})
    with pytest.raises(ValueError, match="1 for the levels .* Received: 2"):
        Escalate([0.5, 0.5], levels=[0.5, 1.0])


@pytest.mark.parametrize("wrong", [[1.0, 0.5], [0.5, 0.5], []])
def test_levels_that_do_not_rise(wrong):
    with pytest.raises(ValueError, match="`levels`. Expected utilizations that rise. Received"):
        Escalate([0.5], levels=wrong)
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]"):
        Escalate([0.5], levels=[0.5, 1.5])


@pytest.mark.parametrize("temperature", [0.0, -1, float("nan"), "2"])
def test_wrong_temperature(temperature):
    with pytest.raises(ValueError, match="`temperature`. Expected a finite number above 0"):
        Escalate([0.5], temperature=temperature)
