"""Times of several things, measured in turn, so that a drift of the device meets all of them."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from tnn_tflite.progress import with_bar


def seconds_in_turn(
    calls: Sequence[Callable[[], object]],
    *,
    rounds: int,
    at_most_seconds: float = float("inf"),
    least_rounds: int = 3,
    verbose: bool | None = False,
) -> np.ndarray:
    """Times each call once a round.

    A round runs every call twice and times the second: what runs before a call decides what is in
    the processor's caches, and that shall be the same for all.

    Args:
        calls: What is timed. Each has run before and is warm.
        rounds: Number of rounds.
        at_most_seconds: No new round begins after this time.
        least_rounds: So many rounds are run in any case.
        verbose: Whether to show a progress bar; None on a terminal only.

    Returns:
        Seconds, of shape (rounds that were run, number of calls).
    """
    begin = time.perf_counter()
    rows: list[list[float]] = []
    for _ in with_bar(range(rounds), "rounds", verbose):
        if len(rows) >= least_rounds and time.perf_counter() - begin > at_most_seconds:
            break
        rows.append([_second_run(call) for call in calls])
    return np.array(rows)


def _second_run(call: Callable[[], object]) -> float:
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
