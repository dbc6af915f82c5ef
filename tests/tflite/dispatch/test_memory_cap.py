"""Levels that were not used for longest are evicted; answers and threads do not notice."""

import logging
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tnn_tflite import Dispatcher

LEVELS = (0.25, 0.5, 1.0)


@pytest.fixture
def needs(shared_bundle):
    """Bytes that each level needs with one session."""
    dispatcher = Dispatcher(shared_bundle, memory_limit=10**9)
    dispatcher.warm_up()
    return {held.program.utilization: held.memory for held in holdings(dispatcher)}


def holdings(dispatcher):
    return [pool.loaded for pool in dispatcher._network.pools]


def loaded(dispatcher):
    """How many sessions each level holds."""
    return {held.program.utilization: len(held.idle) for held in holdings(dispatcher) if held.idle}


def used(dispatcher):
    return sum(held.memory for held in holdings(dispatcher))


def test_need_of_a_level(shared_bundle, needs):
    """File, packed weights, and the two largest tensors, float32.

    The image has 8 * 8 * 3 = 192 numbers, the output of the convolution 6 * 6 * 8u = 288u, and the
    weights of the dense layer, a tensor as well, four times as many.
    """
    tensors = {0.25: 288 + 192, 0.5: 576 + 192, 1.0: 1152 + 288}
    for level in Dispatcher(shared_bundle).levels:
        assert needs[level.utilization] == 2 * level.bytes + 4 * tensors[level.utilization]


def test_least_recently_used_goes_first(shared_bundle, images, needs, caplog):
    limit = needs[0.5] + needs[1.0]  # also enough for any other two
    dispatcher = Dispatcher(shared_bundle, memory_limit=limit)
    expected = {u: Dispatcher(shared_bundle)(images, u) for u in LEVELS}
    with caplog.at_level(logging.INFO, "tnn_tflite"):
        for u in (0.25, 0.5, 0.25, 1.0):  # 0.5 was not used for longest
            np.testing.assert_array_equal(dispatcher(images, u), expected[u])
        assert loaded(dispatcher) == {0.25: 1, 1.0: 1}
        np.testing.assert_array_equal(dispatcher(images, 0.5), expected[0.5])
    assert loaded(dispatcher) == {0.5: 1, 1.0: 1}
    assert used(dispatcher) <= limit
    assert [held.content is None for held in holdings(dispatcher)] == [True, False, False]
    messages = [record.getMessage() for record in caplog.records]
    assert [m.split(":")[0] for m in messages] == [
        "evicted a session of level u=0.5",
        "evicted a session of level u=0.25",
    ]


def test_without_a_limit_all_stay(shared_bundle, images):
    dispatcher = Dispatcher(shared_bundle)
    for u in LEVELS:
        dispatcher(images, u)
    assert loaded(dispatcher) == dict.fromkeys(LEVELS, 1)


def test_sessions_of_a_burst_do_not_stay(shared_bundle, images, needs):
    """Eight calls at once need eight sessions; afterwards the limit holds again."""
    dispatcher = Dispatcher(shared_bundle, memory_limit=2 * needs[1.0])
    pool = dispatcher._network.pools[-1]
    busy = [pool._take() for _ in range(8)]  # as if eight threads were in the middle of a run
    assert used(dispatcher) > 2 * needs[1.0]
    while busy:
        pool._put_back(busy.pop())
    assert used(dispatcher) <= 2 * needs[1.0]
    assert 1 <= loaded(dispatcher)[1.0] < 8
    assert dispatcher(images).shape == (5, 4)


def test_a_session_that_runs_is_never_evicted(shared_bundle, images, needs):
    dispatcher = Dispatcher(shared_bundle, memory_limit=needs[1.0])
    pool = dispatcher._network.pools[0]
    busy = pool._take()
    dispatcher(images, 1.0)  # needs all there is
    assert pool.loaded.sessions == 1
    assert pool.loaded.content is not None
    inputs = [images[:1]]
    np.testing.assert_array_equal(
        busy.run(inputs)[0][0], Dispatcher(shared_bundle)(images[0], 0.25)
    )


def test_a_failed_run_is_no_session_any_more(shared_bundle, needs):
    dispatcher = Dispatcher(shared_bundle, memory_limit=needs[1.0])
    dispatcher.warm_up()
    pool = dispatcher._network.pools[-1]
    with pytest.raises(ValueError, match="Cannot set tensor"):
        pool.run([np.zeros((1, 2, 2, 3), "float32")])
    assert (pool.loaded.sessions, pool.loaded.memory) == (0, 0)


def test_a_level_that_cannot_be_loaded_is_not_counted(bundle, images, needs):
    dispatcher = Dispatcher(bundle, memory_limit=needs[1.0])
    (bundle / "u1.0.tflite").unlink()
    with pytest.raises(ValueError, match="no such file"):
        dispatcher(images)
    assert used(dispatcher) == 0


def test_limit_is_checked(shared_bundle):
    least = 2 * max(level.bytes for level in Dispatcher(shared_bundle).levels)
    Dispatcher(shared_bundle, memory_limit=least)
    for limit in (least - 1, 0, -5, 1e9, "1 GB"):
        with pytest.raises(ValueError, match=f"`memory_limit`. Expected at least {least} bytes"):
            Dispatcher(shared_bundle, memory_limit=limit)


def test_limit_below_what_a_level_turns_out_to_need(shared_bundle, images, needs, caplog):
    """Each call then loads its level, and the answer is right."""
    dispatcher = Dispatcher(shared_bundle, memory_limit=needs[1.0] - 1)
    for _ in range(2):
        np.testing.assert_array_equal(dispatcher(images), Dispatcher(shared_bundle)(images))
        assert loaded(dispatcher) == {}
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "more than the memory limit" in warnings[0]


def test_many_threads_under_a_limit(shared_bundle, images, needs):
    """Room for about two sessions, eight threads, three levels: it loads and evicts."""
    expected = {u: Dispatcher(shared_bundle)(images, u) for u in LEVELS}
    dispatcher = Dispatcher(shared_bundle, memory_limit=2 * needs[1.0])

    def work(seed):
        choose = random.Random(seed)
        for _ in range(150):
            u, index = choose.choice(LEVELS), choose.randrange(len(images))
            np.testing.assert_array_equal(dispatcher(images[index], u), expected[u][index])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    for held in holdings(dispatcher):
        assert held.sessions == len(held.idle)
    dispatcher(images)
    assert used(dispatcher) <= 2 * needs[1.0]
