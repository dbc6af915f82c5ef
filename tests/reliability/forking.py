"""A process whose threads load, run and evict levels, and which forks all the while.

    python forking.py BUNDLE NUM_THREADS CHILDREN

Each child answers at every level and by the policy. It prints how many did, how many answered
otherwise and how many hung for 20 seconds.
"""

import os
import signal
import sys
import threading

import numpy as np

from tnn_tflite import Dispatcher, policies

SECONDS = 20


def main(bundle, num_threads, children):
    plain = Dispatcher(bundle)
    images = np.stack([np.full(plain.bundle.inputs[0].shape, value, "float32") for value in (0, 1)])
    expected = {level.utilization: plain(images, level.utilization) for level in plain.levels}
    dispatcher = Dispatcher(
        bundle,
        num_threads=num_threads,
        policy=policies.LatencyTarget(50.0),
        memory_limit=3 * max(level.bytes for level in plain.levels),  # about one level
    )
    dispatcher(images)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            for u in expected:
                dispatcher(images, u)
            dispatcher(images)

    def answers() -> bool:
        right = all(np.array_equal(dispatcher(images, u), y) for u, y in expected.items())
        dispatcher(images)  # by the policy, whose lock another thread may have held
        return right

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    statuses = []
    for _ in range(children):
        child = os.fork()
        if not child:
            signal.alarm(SECONDS)  # ends a child that hangs
            os._exit(not answers())
        statuses.append(os.waitpid(child, 0)[1])
    stop.set()
    for thread in threads:
        thread.join()
    hung = statuses.count(signal.SIGALRM)
    right = statuses.count(0)
    print(f"{right} right, {children - right - hung} wrong, {hung} hung")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
