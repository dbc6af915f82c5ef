"""Hours of bad luck in minutes: damaged bundles, killed writers, many threads, many calls.

    python benchmarks/soak.py --mutants=10000 --kills=50 --calls=100000 --interrupts=100000

The laws are those of `tests/reliability`, which runs some hundreds of each. It prints what became
of the mutants of float32 and int8 bundles, in files and in one file, damaged (hashes as they were)
and sealed (hashes made anew, as an attacker would); how many kills left an old or a new bundle; and
memory and answers under 16 threads; what calls left behind that a signal interrupted; and whether
children of a process that loads levels answer. It ends with status 1 if a law was broken.
"""

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import app, flags, logging

RELIABILITY = Path(__file__).parents[1] / "tests" / "reliability"
sys.path.insert(0, str(RELIABILITY))

from campaign import Campaign  # noqa: E402
from small_networks_to_ship import SHAPE, level_contents, make_network  # noqa: E402
from tnn_tflite import Dispatcher  # noqa: E402
from tnn_tflite.conversion.converter import write_levels  # noqa: E402
from writer import WRITER, number_of  # noqa: E402

MUTANTS = flags.DEFINE_integer("mutants", 10_000, "damaged bundles of all kinds")
KILLS = flags.DEFINE_integer("kills", 50, "killed writers of ready contents")
CONVERSIONS = flags.DEFINE_integer("conversions", 5, "killed whole conversions")
CALLS = flags.DEFINE_integer("calls", 100_000, "calls from 16 threads")
INTERRUPTS = flags.DEFINE_integer("interrupts", 10_000, "signals in calls")
CHILDREN = flags.DEFINE_integer("children", 1000, "forks while levels are loaded")
THREADS = 16


def main(_) -> int:
    logging.set_verbosity(logging.ERROR)  # TensorFlow tells of every SavedModel
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundles = make_bundles(folder)
        broken = mutate(bundles, folder, MUTANTS.value) if MUTANTS.value else 0
        broken += kill_writers(folder / "kill", KILLS.value)
        broken += kill_conversions(folder / "convert", CONVERSIONS.value)
        broken += call(bundles["float32"], CALLS.value) if CALLS.value else 0
        broken += tell("interrupting.py", "0 miscounted, 0 wrong", bundles, INTERRUPTS.value)
        broken += tell("forking.py", "0 wrong, 0 hung", bundles, 2, CHILDREN.value)
    print(f"\nlaws broken: {broken}")
    return 1 if broken else 0


def make_bundles(folder: Path) -> dict[str, Path]:
    networks = {u: make_network(int(8 * u)) for u in (0.25, 0.5, 0.75, 1.0)}
    plain, int8 = level_contents(networks), level_contents(networks, "float32")
    write_levels(folder / "float32", plain)
    write_levels(folder / "int8", int8)
    write_levels(folder / "single", plain, layout="single")
    write_levels(folder / "int8-single", int8, layout="single")
    return {name: folder / name for name in ("float32", "int8", "single", "int8-single")}


def mutate(bundles: dict[str, Path], folder: Path, count: int) -> int:
    """Judges mutants of each bundle, half of them sealed. Returns how many broke the law."""
    broken = 0
    share = count // (2 * len(bundles))
    for name, bundle in bundles.items():
        (folder / f"mutants-{name}").mkdir()
        for sealed in (False, True):
            start = time.perf_counter()
            campaign = Campaign(bundle, folder / f"mutants-{name}")
            campaign.run(range(share), sealed)
            campaign.close()
            kind = "sealed" if sealed else "damaged"
            print(f"\n{share} {name} bundles, {kind} ({time.perf_counter() - start:.0f} s)")
            print_outcomes(campaign.outcomes)
            print(*campaign.violations, sep="\n", end="", flush=True)
            broken += len(campaign.violations)
    return broken


def print_outcomes(outcomes: Counter) -> None:
    by_outcome: Counter[str] = Counter()
    for (_, outcome), count in outcomes.items():
        by_outcome[outcome] += count
    for outcome, count in by_outcome.most_common():
        print(f"{count:>7}  {outcome}")


def kill_writers(folder: Path, count: int) -> int:
    """Kills a process that replaces one bundle by another again and again."""
    left: Counter[str] = Counter()
    draw = random.Random(0)
    folder.mkdir()
    for _ in range(count):
        writer = start(WRITER, folder / "bundle", 1, stdout=subprocess.PIPE, text=True)
        writer.stdout.readline()  # it is at work now
        time.sleep(draw.uniform(0, 0.2))
        writer.send_signal(signal.SIGKILL)
        last = max((int(line) for line in writer.communicate()[0].split()), default=1)
        stands = told(folder / "bundle")
        leftovers = any(path.name.startswith(".bundle.new-") for path in folder.iterdir())
        if stands in (last, last + 1):
            left["whole, leftovers beside it" if leftovers else "whole"] += 1
        else:
            left["BROKEN"] += 1
    if count:
        write_levels(folder / "bundle", level_contents({1.0: make_network(2)}))
        left["BROKEN"] += os.listdir(folder) != ["bundle"]
        print(f"\n{count} kills of a writer, what then stood there: {dict(left)}", flush=True)
    return left["BROKEN"]


def told(bundle: Path) -> int:
    try:
        return number_of(bundle) if bundle.exists() else 0
    except (AssertionError, ValueError):
        return -1


CONVERT = """
import sys
sys.path.insert(0, sys.argv[2])
import numpy as np
from small_networks_to_ship import make_network
import tnn_tflite
networks = {0.5: make_network(4), 1.0: make_network(8)}
print("ready", flush=True)
tnn_tflite.convert(networks, sys.argv[1], verbose=False)
"""


def kill_conversions(folder: Path, count: int) -> int:
    """Kills whole conversions: the older bundle, or the new one, answers."""
    if not count:
        return 0
    folder.mkdir()
    bundle = folder / "bundle"
    old = level_contents({1.0: make_network(2)})
    broken, left, draw, seconds = 0, Counter(), random.Random(0), 60.0
    for attempt in range(count + 1):
        write_levels(bundle, old)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        writer = start(CONVERT, bundle, RELIABILITY, **pipes)
        writer.stdout.readline()
        begin = time.perf_counter()
        if attempt == 0:  # is let live, to see how long it takes
            writer.wait()
            seconds = time.perf_counter() - begin
            continue
        time.sleep(draw.uniform(0, 1.2 * seconds))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        dispatcher = Dispatcher(bundle)
        dispatcher(np.zeros(SHAPE, "float32"), 0.5)
        left[f"{len(dispatcher.levels)} levels"] += 1
    write_levels(bundle, old)
    broken += os.listdir(folder) != ["bundle"]
    print(f"\n{count} kills of a conversion (from 1 level to 2): {dict(left)}", flush=True)
    return broken


def start(program: str, *arguments: object, **options: object) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, **options)


def call(bundle: Path, count: int) -> int:
    """Calls one dispatcher from many threads at all levels; compares answers, watches memory."""
    dispatcher = Dispatcher(bundle)
    images = np.random.default_rng(0).normal(size=(8, *SHAPE)).astype("float32")
    levels = [level.utilization for level in dispatcher.levels]
    truth = {(i, u): dispatcher(image, u) for i, image in enumerate(images) for u in levels}
    wrong: list[int] = []

    def work(seed: int, calls: int) -> None:
        draw = random.Random(seed)
        for _ in range(calls):
            i, u = draw.randrange(len(images)), draw.choice(levels)
            if not np.array_equal(dispatcher(images[i], u), truth[i, u]):
                wrong.append(seed)

    run_threads(work, count // 10)  # every thread has its sessions now
    warm = resident_bytes()
    start_time = time.perf_counter()
    for part in range(1, 10):
        run_threads(work, count // 10)
        if part % 3 == 0:
            grown = (resident_bytes() - warm) / 1e6
            print(
                f"{part * count // 10 + count // 10:>9} calls: memory {grown:+.1f} MB", flush=True
            )
    seconds = time.perf_counter() - start_time
    grown = resident_bytes() - warm
    print(f"{count} calls from {THREADS} threads, {len(wrong)} wrong answers, {seconds:.0f} s")
    return len(wrong) + (grown > 20e6)  # allocators keep some; a leak of 1 kB a call is 90 MB


def tell(program: str, law: str, bundles: dict[str, Path], *counts: int) -> int:
    """Runs a program of `tests/reliability` on a bundle, and tells whether its law held."""
    told = subprocess.run(
        [sys.executable, RELIABILITY / program, bundles["float32"], *map(str, counts)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    ).stdout
    print(f"\n{told}", end="", flush=True)
    return law not in told


def run_threads(work: Callable[[int, int], None], calls: int) -> None:
    threads = [threading.Thread(target=work, args=(i, calls // THREADS)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident_bytes() -> int:
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # the largest so far


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    app.run(main)
