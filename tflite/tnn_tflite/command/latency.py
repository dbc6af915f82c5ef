"""Median latency of a call."""

import statistics
import time
from collections.abc import Callable


def median_milliseconds(call: Callable[[], object], repeats: int = 20) -> float:
    """Returns the median time of a call, in milliseconds.

    Args:
        call: For example a dispatcher on a sample at a utilization.
        repeats: Number of timed calls, at least 1. One more, not timed, loads the level.
    """
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)
