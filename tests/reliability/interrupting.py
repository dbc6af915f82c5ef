"""A process whose calls a signal's handler interrupts at random moments.

    python interrupting.py BUNDLE INTERRUPTS

The levels have room for one of them, so calls load and evict as well. It prints how many
interrupts there were, how often sessions were counted wrong afterwards, how many answers were
wrong, and how long a call takes before and after all.
"""

import random
import signal
import statistics
import sys
import time

import numpy as np

from tnn_tflite import Dispatcher


class Interrupted(BaseException):
    """Raised by the handler, as KeyboardInterrupt is."""


def handler(*_):
    raise Interrupted


def milliseconds(dispatcher, image) -> float:
    """Median of a call at u = 1."""
    seconds = []
    for _ in range(300):
        start = time.perf_counter()
        dispatcher(image, 1.0)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def main(bundle, interrupts):
    draw = random.Random(0)
    plain = Dispatcher(bundle)
    image = np.ones(plain.bundle.inputs[0].shape, "float32")
    levels = [level.utilization for level in plain.levels]
    expected = {u: plain(image, u) for u in levels}
    limit = 3 * max(level.bytes for level in plain.levels)
    dispatcher = Dispatcher(bundle, memory_limit=limit, trial=False)
    pools = dispatcher._network.pools
    before = milliseconds(dispatcher, image)
    signal.signal(signal.SIGALRM, handler)
    count = miscounted = wrong = 0
    while count < interrupts:
        u = draw.choice(levels)
        try:
            signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-5, 2e-3))
            for _ in range(1000):  # until the signal comes
                wrong += not np.array_equal(dispatcher(image, u), expected[u])
        except Interrupted:
            count += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        miscounted += any(pool.loaded.sessions != len(pool.loaded.idle) for pool in pools)
    after = milliseconds(dispatcher, image)
    print(f"{count} interrupts, {miscounted} miscounted, {wrong} wrong answers")
    print(f"a call takes {before:.4f} ms before and {after:.4f} ms after")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
