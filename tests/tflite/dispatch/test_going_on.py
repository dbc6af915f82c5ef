"""A policy that looks at answers and goes on, on real bundles."""

import numpy as np
import pytest

from tnn_tflite import Dispatcher
from tnn_tflite.policies import Choice, Escalate, Policy, certainty_of

LEVELS = (0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def thresholds(dispatcher, images):
    """Between the certainty_of of the samples, so that some are kept and some go on."""
    return [float(np.median(certainty_of(dispatcher(images, u)))) for u in LEVELS[:-1]]


def by_hand(dispatcher, image, thresholds):
    """The answer and the levels that ran for it."""
    ran = []
    for u, threshold in zip(LEVELS, [*thresholds, 0.0], strict=True):
        output = dispatcher(image, u)
        ran.append(u)
        if certainty_of(output[None])[0] >= threshold:
            return output, ran


def test_each_sample_of_a_batch_goes_its_way(dispatcher, shared_bundle, images, thresholds):
    climbing = Dispatcher(shared_bundle, policy=Escalate(thresholds))
    result = climbing.run(images)
    macs = {level.utilization: level.macs for level in climbing.levels}
    expected = [by_hand(dispatcher, image, thresholds) for image in images]
    assert result.utilizations == tuple(ran[-1] for _, ran in expected)
    assert len(set(result.utilizations)) > 1
    np.testing.assert_array_equal(result.outputs, [output for output, _ in expected])
    assert result.macs == sum(macs[u] for _, ran in expected for u in ran)
    assert [level.utilization for level in result.levels] == sorted(
        {u for _, r in expected for u in r}
    )
    assert result.reason.startswith(
        "u=0.25 first, higher where it is not sure; u=0.25 was not sure"
    )
    np.testing.assert_array_equal(climbing(images), result.outputs)


def test_one_sample(dispatcher, shared_bundle, images, thresholds):
    climbing = Dispatcher(shared_bundle, policy=Escalate(thresholds))
    for image in images:
        output, ran = by_hand(dispatcher, image, thresholds)
        result = climbing.run(image)
        np.testing.assert_array_equal(result.outputs, output)
        assert [level.utilization for level in result.levels] == ran
        assert result.utilization == ran[-1]


def test_a_call_that_nobody_observes_is_a_call(shared_bundle, images, thresholds):
    """It makes no `Result`, and gives and checks the same."""

    class Told(Escalate):
        def observe(self, result):
            self.result = result

    told = Told(thresholds)
    watched = Dispatcher(shared_bundle, policy=told)
    climbing = Dispatcher(shared_bundle, policy=Escalate(thresholds))
    for x in (*images, images, images[:1]):
        np.testing.assert_array_equal(climbing(x), watched(x))
        np.testing.assert_array_equal(told.result.outputs, watched.run(x).outputs)
    with pytest.raises(ValueError, match="Expected finite numbers"):
        climbing(np.full_like(images[0], np.nan))


@pytest.mark.parametrize(("threshold", "u"), [(0.0, 0.25), (1.0, 1.0)])
def test_the_ends(shared_bundle, dispatcher, images, threshold, u):
    climbing = Dispatcher(shared_bundle, policy=Escalate([threshold] * 2))
    np.testing.assert_array_equal(climbing(images), dispatcher(images, u))
    assert climbing(images[:0]).shape == (0, 4)


def test_a_table_says_what_to_expect_of_all_that_ran(shared_bundle, images):
    """Measured on the spot: the mean over samples of the sum over levels."""

    class Timed(Escalate):
        needs_times = True

        def choose(self, levels, inputs):
            self.times = {level.utilization: level.milliseconds for level in levels}
            return super().choose(levels, inputs)

    policy = Timed([1.0], levels=[0.25, 1.0])
    result = Dispatcher(shared_bundle, policy=policy).run(images)
    expected = policy.times[0.25] + policy.times[1.0]
    assert result.expected_milliseconds == pytest.approx(expected)


class Own(Policy):
    """Chooses by the sample, goes on by the sample, and is told what came of it."""

    def __init__(self, first, after=None):
        self.first, self.after, self.told = first, after, []

    def choose(self, levels, inputs):
        return Choice(self.first, "first")

    def go_on(self, levels, result):
        if self.after is None or result.level.utilization != 0.25:
            return None
        assert result.outputs.shape == (result.samples, 4)
        return Choice(self.after, "after")

    def observe(self, result):
        self.told.append(result)


def test_a_policy_of_ones_own(shared_bundle, dispatcher, images):
    policy = Own([0.25, 1.0, 0.25, 0.5, 0.25], np.array([1.0, 0.0, 0.5]))
    result = Dispatcher(shared_bundle, policy=policy).run(images)
    assert result.utilizations == (1.0, 1.0, 0.25, 0.5, 0.5)
    for image, u, output in zip(images, result.utilizations, result.outputs, strict=True):
        np.testing.assert_array_equal(output, dispatcher(image, u))
    assert (result.reason, policy.told) == ("first; after", [result])


def test_what_a_policy_saw_stays_as_it_was(shared_bundle, dispatcher, images):
    class Keeps(Own):
        def go_on(self, levels, result):
            self.seen = [*getattr(self, "seen", ()), result.outputs]
            return super().go_on(levels, result)

    policy = Keeps(0.25, np.array([1.0, 0.0, 0.0, 0.0, 0.5]))
    Dispatcher(shared_bundle, policy=policy).run(images)
    np.testing.assert_array_equal(policy.seen[0], dispatcher(images, 0.25))


def test_one_level_for_all_that_go_on(shared_bundle, dispatcher, images):
    result = Dispatcher(shared_bundle, policy=Own(0.25, 0.7)).run(images)
    assert result.utilizations == (0.5,) * 5
    np.testing.assert_array_equal(result.outputs, dispatcher(images, 0.5))


@pytest.mark.parametrize("after", [0.1, 0.3, [0.25, 1.0, 0.0, 0.0, 0.0]])
def test_going_on_is_going_up(shared_bundle, images, after):
    message = "goes on from level u=0.25 to go to a higher level.* Received: level u=0.25"
    with pytest.raises(ValueError, match=message):
        Dispatcher(shared_bundle, policy=Own(0.25, after)).run(images)


def test_what_a_policy_may_not_choose(shared_bundle, images):
    for first, received in (
        ([0.0] * 5, r"utilization\[0\]=0.0 and 4 more"),  # there is no answer to keep
        ([0.5] * 4, r"utilization of shape \(4,\)"),
    ):
        with pytest.raises(ValueError, match=received):
            Dispatcher(shared_bundle, policy=Own(first)).run(images)
