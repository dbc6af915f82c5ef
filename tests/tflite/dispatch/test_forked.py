"""Children that are forked while other threads load and run levels."""

import os

import pytest

PROGRAM = """
import os
import signal
import sys
import threading

import numpy as np

from tnn_tflite import Dispatcher, policies

bundle, num_threads = sys.argv[1], int(sys.argv[2])
images = np.ones((2, 8, 8, 3), "float32")
expected = {level.utilization: Dispatcher(bundle)(images, level.utilization)
            for level in Dispatcher(bundle).levels}
largest = max(level.bytes for level in Dispatcher(bundle).levels)
# Room for one level: the threads load and evict all the time.
dispatcher = Dispatcher(
    bundle, policy=policies.LatencyTarget(50.0), memory_limit=3 * largest, num_threads=num_threads
)
dispatcher(images)
stop = threading.Event()

def work(turn):
    while not stop.is_set():
        for u in expected:
            dispatcher(images, u)
        dispatcher(images)

threads = [threading.Thread(target=work, args=(turn,), daemon=True) for turn in range(3)]
for thread in threads:
    thread.start()
ended = []
for _ in range(30):
    child = os.fork()
    if not child:
        signal.alarm(20)  # a child that hangs dies of SIGALRM
        right = all(np.array_equal(dispatcher(images, u), expected[u]) for u in expected)
        dispatcher(images)  # by the policy, whose lock another thread may have held
        os._exit(0 if right else 1)
    ended.append(os.waitpid(child, 0)[1])
stop.set()
print(ended.count(0), set(ended))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("num_threads", [1, 2])
def test_children_answer(shared_bundle, run_alone, num_threads):
    result = run_alone(PROGRAM, shared_bundle, num_threads)
    assert result.stdout == "30 {0}\n", result.stderr + result.stdout
