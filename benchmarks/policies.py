"""What closed loops keep while the load of the device changes, and what many calls leave behind.

    python benchmarks/policies.py

Load: real processes that do nothing but compute, on the one core that this process runs on. None,
one, three, one and none, `--seconds` each. For each policy the table shows, for each load, the
mean u, the mean and the 90th percentile of the latency over the target, and the switches a second
after the first two seconds of the load. "over" is the share of seconds whose mean latency is more
than 10 % above the target. Goals: `LatencyTarget` is over in few seconds but the first of a new
load; the mean of `MeanLatency` is within 10 % of its target; at most one switch a second.

Then 16 threads make 20,000 calls at 4 levels, each answer compared with that of one thread, and
100,000 calls with and without a memory limit show whether memory stays flat.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tnn_tflite import Dispatcher
from tnn_tflite.bundle.writer import write_bundle
from tnn_tflite.dispatch.calibrate import calibrate
from tnn_tflite.policies import LatencyBudget, LatencyTarget, MeanLatency

LEVELS = tuple(k / 8 for k in range(1, 9))
LOADS = (0, 1, 3, 1, 0)  # busy processes
SETTLED = 2.0  # seconds after which a load counts as steady
CALLS, THREADS, MANY = 20_000, 16, 100_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=20.0, help="of each load")
    arguments.add_argument("--only_policies", action="store_true", help="not the many calls")
    given = arguments.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bundle"
        write_levels(directory)
        if not given.only_policies:
            report_threads(directory)
            report_memory(directory)
        with one_core():
            report_policies(directory, given.seconds)


def write_levels(directory: Path) -> None:
    from tnn_tflite.conversion.converter import level_content

    write_bundle(directory, (level_content(network(u), u) for u in LEVELS))


def network(width: float):
    """Four convolutions; u = 1 takes some milliseconds."""
    import keras

    image = keras.Input((64, 64, 3), name="image")
    x = image
    for channels in (64, 64, 128, 128):
        x = keras.layers.Conv2D(int(channels * width), 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x) if channels == 64 else x
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(x))


@contextlib.contextmanager
def one_core():
    """Binds this process, and those that it starts, to one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def busy(count: int):
    """Runs processes that compute without end."""
    program = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(program) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def report_policies(directory: Path, seconds: float) -> None:
    table = calibrate(Dispatcher(directory), rounds=100)
    print(f"\n{table}\n")
    times = [level.milliseconds for level in table.levels]
    target = (times[-1] + times[-2]) / 2  # no level has it, and with load other levels are right
    print(f"target {target:.3f} ms, {seconds:g} s of each load\n")
    print(
        f"{'policy':<15}{'busy':>5}{'mean u':>8}{'mean':>7}{'p90':>7}{'over':>7}{'switches/s':>12}"
    )
    for policy in (LatencyBudget(target), LatencyTarget(target), MeanLatency(target)):
        dispatcher = Dispatcher(directory, policy=policy)
        dispatcher.warm_up()
        image = np.zeros(dispatcher.bundle.inputs[0].shape, "float32")
        runs = []
        for count in LOADS:
            with busy(count):
                runs.append(calls(dispatcher, image, seconds))
            print_row(type(policy).__name__, count, runs[-1], target)
        print_row(type(policy).__name__, "all", np.concatenate(runs), target)


def calls(dispatcher: Dispatcher, image: np.ndarray, seconds: float) -> np.ndarray:
    """Returns a row for each call: seconds since the load began, u and milliseconds."""
    begin, rows = time.perf_counter(), []
    while (now := time.perf_counter() - begin) < seconds:
        result = dispatcher.run(image)
        rows.append((now, result.utilization, result.milliseconds))
    return np.array(rows)


def print_row(name: str, count: int | str, rows: np.ndarray, target: float) -> None:
    start, utilization, milliseconds = rows.T
    switched = np.diff(utilization) != 0
    settled = start[1:] > SETTLED
    # Each load begins at 0 again: time goes on where it steps back.
    elapsed = np.cumsum(np.maximum(np.diff(start, prepend=0.0), 0.0))
    whole = elapsed.astype(int)
    means = np.array([milliseconds[whole == second].mean() for second in np.unique(whole)])
    steady = max(np.diff(elapsed)[settled].sum(), 1e-9)
    print(
        f"{name:<15}{count!s:>5}{np.average(utilization, weights=milliseconds):>8.2f}"
        f"{milliseconds.mean() / target:>7.2f}{np.percentile(milliseconds, 90) / target:>7.2f}"
        f"{np.mean(means > 1.1 * target):>7.0%}{switched[settled].sum() / steady:>12.2f}",
        flush=True,
    )


def report_threads(directory: Path) -> None:
    images = np.random.default_rng(0).normal(size=(8, 64, 64, 3)).astype("float32")
    alone = Dispatcher(directory)
    levels = LEVELS[::2]
    expected = {u: alone(images, u) for u in levels}
    dispatcher = Dispatcher(directory)

    def work(seed: int) -> int:
        random = np.random.default_rng(seed)
        wrong = 0
        for _ in range(CALLS // THREADS):
            u, index = random.choice(levels), random.integers(len(images))
            wrong += not np.array_equal(dispatcher(images[index], u), expected[u][index])
        return wrong

    begin = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        wrong = sum(pool.map(work, range(THREADS)))
    print(
        f"{THREADS} threads, {len(levels)} levels, {CALLS:,} calls in "
        f"{time.perf_counter() - begin:.0f} s: {wrong} answers differ from those of one thread"
    )


def report_memory(directory: Path) -> None:
    for limit in (None, 4 * max(level.bytes for level in Dispatcher(directory).levels)):
        dispatcher = Dispatcher(directory, memory_limit=limit)
        image = np.zeros(dispatcher.bundle.inputs[0].shape, "float32")
        dispatcher.warm_up()
        before, marks = resident_megabytes(), []
        for call in range(MANY):
            # Mostly the quickest level: this is about what is left behind, not about time.
            dispatcher(image, LEVELS[call // 100 % 8] if call % 100 == 0 else LEVELS[0])
            if call + 1 in (MANY // 10, MANY // 2, MANY):
                marks.append(resident_megabytes() - before)
        print(
            f"{MANY:,} calls, memory limit {limit}: resident memory grew by "
            f"{', '.join(f'{mark:.1f}' for mark in marks)} MB after a tenth, a half and all",
            flush=True,
        )


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
