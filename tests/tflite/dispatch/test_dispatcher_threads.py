"""Several threads, several levels: each answer equals the single-threaded one."""

import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tnn_tflite import Dispatcher
from tnn_tflite.bundle.writer import write_bundle
from tnn_tflite.conversion.converter import level_content

LEVELS = (0.25, 0.5, 1.0)
THREADS = 8
CALLS = 300


@pytest.fixture
def eager_switching():
    """Threads take turns a thousand times as often as usual, so that races show."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_switching")
def test_answers_do_not_mix(shared_bundle, images):
    expected = {u: Dispatcher(shared_bundle)(images, u) for u in LEVELS}
    dispatcher = Dispatcher(shared_bundle)  # loads its levels under contention
    start = threading.Barrier(THREADS)

    def work(seed):
        choose = random.Random(seed)
        start.wait()
        for _ in range(CALLS):
            utilization, index = choose.choice(LEVELS), choose.randrange(len(images))
            output = dispatcher(images[index], utilization)
            np.testing.assert_array_equal(output, expected[utilization][index])
        return CALLS

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(work, range(THREADS))) == THREADS * CALLS


def test_two_threads_run_at_once(shared_bundle, images):
    """A second call does not wait for the first: no lock is held around inference."""
    dispatcher = Dispatcher(shared_bundle)
    dispatcher.warm_up()
    pool = dispatcher._network.pools[-1]
    busy = pool._take()  # as if a thread were in the middle of a run
    result = dispatcher(images)
    pool.loaded.idle.append(busy)
    np.testing.assert_array_equal(result, dispatcher(images))
    assert len(pool.loaded.idle) == 2


def test_sessions_are_used_again(shared_bundle, images):
    dispatcher = Dispatcher(shared_bundle)
    for _ in range(20):
        dispatcher(images)
    assert len(dispatcher._network.pools[-1].loaded.idle) == 1


@pytest.mark.slow
def test_sixteen_threads_and_twenty_thousand_calls(networks, images, tmp_path):
    """Four levels, one of them evicted again and again."""
    directory = tmp_path / "bundle"
    levels = {**networks, 0.75: networks[0.5]}
    write_bundle(directory, (level_content(levels[u], u) for u in sorted(levels)))
    expected = {u: Dispatcher(directory)(images, u) for u in levels}
    dispatcher = Dispatcher(directory, memory_limit=40_000)

    def work(seed):
        choose = random.Random(seed)
        for _ in range(20_000 // 16):
            utilization, index = choose.choice(sorted(levels)), choose.randrange(len(images))
            output = dispatcher(images[index], utilization)
            np.testing.assert_array_equal(output, expected[utilization][index])
        return 1

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(work, range(16))) == 16
