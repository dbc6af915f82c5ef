"""Median latency of a dispatcher at one level."""

import statistics
import time
from typing import Any

from tnn_tflite.dispatch.dispatcher import Dispatcher


def median_milliseconds(
    dispatcher: Dispatcher, x: Any, utilization: float, repeats: int = 20
) -> float:
    """Returns the median time of a call, in milliseconds.

    Args:
        dispatcher: An open bundle.
        x: The sample to run.
        utilization: In (0, 1].
        repeats: Number of timed calls, at least 1. One more, not timed, loads the level.
    """
    dispatcher(x, utilization)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        dispatcher(x, utilization)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)
