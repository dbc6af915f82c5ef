"""A budget policy on the device in three ways: which takes how long, and where cutting pays.

    python benchmarks/budget_patterns.py --trained run/settled.keras --data cifar10.npz

- a file for each budget (layout "files"): policy and network in one, components behind `IF`s;
- the policy, then the network behind `IF`s with the gates as an input (layout "patterns");
- the policy, then the network cut for the pattern, from the cache (the same bundle).

Each answers the same images at the same budgets through a dispatcher, on one interpreter thread,
all in turn so that a busy machine slows each; medians over images, as shares of the network without
gates and policy. MACs are means of what ran, the policy included, as shares of that network.

A ResNet-20 with a policy for its blocks has random weights; a ResNeXt-29 half as wide, for its 36
paths, is the one that benchmarks/budgetnet.py has trained, or random as well. Policies of random
weights have logits about as wide as trained ones.
"""

import datetime
import pathlib
import platform
import statistics
import tempfile
import time

import keras
import numpy as np
from absl import app, flags, logging

import keras_tnn as tnn
import tnn_tflite
from tnn_tflite.dispatch import patterns
from tnn_tflite.dispatch.interpreter import find_runtime

IMAGES = flags.DEFINE_integer("images", 300, "Images at each budget.")
REPEATS = flags.DEFINE_integer("repeats", 3, "Runs of each image, of which the fastest counts.")
TRAINED = flags.DEFINE_string("trained", None, "A saved ResNeXt-29 with a budget policy.")
DATA = flags.DEFINE_string("data", None, "An .npz with x_test, for --trained.")
MODES = flags.DEFINE_multi_enum("mode", ["float32", "int8"], ["float32", "int8"], "Numbers.")
NETWORKS = flags.DEFINE_multi_enum(
    "network", ["ResNet-20", "ResNeXt-29"], ["ResNet-20", "ResNeXt-29"], "Which."
)
BUDGETS = (0.2, 0.4, 0.6, 0.8)
SIGHTINGS = patterns.SIGHTINGS


def undecided(model: keras.Model) -> keras.Model:
    """Lets an actor of random weights see its features, which are small before training."""
    rng = np.random.default_rng(0)
    (policy,) = model.gates
    for layer in (policy.actor_hidden, policy.actor):
        layer.kernel.assign(rng.normal(0, 0.5, layer.kernel.shape))
    return model


def resnet():
    plain = tnn.models.ResNet((32, 32, 3), 10, 20, throttled=False)
    model = undecided(tnn.throttle(plain, axes=("depth",), gate=tnn.gates.BudgetPolicy))
    return model, images_like((32, 32, 3))


def resnext():
    if TRAINED.value:
        model = keras.saving.load_model(TRAINED.value)
        with np.load(DATA.value) as file:
            x = file["x_test"][:10000].astype("float32") / 255
        n, height, width, channels = x.shape
        return model, x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    sizes = {"branch_width": 8, "filters": 32, "gate_sums": False}
    model = tnn.models.ResNeXt((16, 16, 3), 10, **sizes, gate=tnn.gates.BudgetPolicy)
    return undecided(model), images_like((16, 16, 3))


def images_like(shape) -> np.ndarray:
    """Noise of several strengths, so that a policy sees a difference."""
    rng = np.random.default_rng(0)
    count = 10 * IMAGES.value
    return rng.uniform(0.2, 2, (count, 1, 1, 1)).astype("float32") * rng.normal(
        size=(count, *shape)
    ).astype("float32")


def bundles(model, x, mode: str, folder: pathlib.Path) -> pathlib.Path:
    """Writes the network without gates, a file a budget, and the policy with its network."""
    (gate,) = model.gates
    plain = tnn.materialize(model, gates={gate.name: np.ones(gate.num_groups)})
    rest = {"verbose": False}
    if mode == "int8":
        rest |= {"quantization": "int8", "representative_data": x[-500:]}
    tnn_tflite.convert({1.0: plain}, folder / "plain", **rest)
    tnn_tflite.convert(model, folder / "patterns", BUDGETS, layout="patterns", **rest)
    try:
        tnn_tflite.convert(model, folder / "files", BUDGETS, **rest)
    except ValueError as error:  # in integers each file needs samples that open all of it
        print(f"no file for each budget: {str(error)[:150]}...")
    return folder


def ways(folder: pathlib.Path) -> dict[str, tnn_tflite.Dispatcher]:
    """A dispatcher for each way; the last one cuts every pattern when it first sees it."""
    found = {"plain": tnn_tflite.Dispatcher(folder / "plain")}
    if (folder / "files").exists():
        found["files"] = tnn_tflite.Dispatcher(folder / "files")
    found["ifs"] = tnn_tflite.Dispatcher(folder / "patterns", patterns=0)
    patterns.SIGHTINGS = 0
    found["cut"] = tnn_tflite.Dispatcher(folder / "patterns", patterns=10**6)
    patterns.SIGHTINGS = SIGHTINGS
    return found


def median_ms(found: dict[str, tnn_tflite.Dispatcher], x, budget: float) -> dict[str, float]:
    """Of each way the median over images, each image by all in turn."""
    times = {name: [] for name in found}
    for image in x[: IMAGES.value]:
        best = dict.fromkeys(found, np.inf)
        for _ in range(1 + REPEATS.value):  # the first run may cut
            for name, dispatcher in found.items():
                start = time.perf_counter()
                dispatcher(image, budget)
                best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
        for name, value in best.items():
            times[name].append(value)
    return {name: statistics.median(values) for name, values in times.items()}


def cutting_ms(dispatcher: tnn_tflite.Dispatcher, opened: set) -> tuple[float, float]:
    """Medians of cutting a pattern, and of loading it with its first run."""
    runtime = find_runtime()
    cache = patterns.PatternCache(dispatcher.bundle, runtime)
    cutting, loading = [], []
    cache.cut(np.float32(next(iter(opened))))  # reads the file
    for gates in sorted(opened)[:30]:
        start = time.perf_counter()
        content = cache.cut(np.float32(gates))
        cut = time.perf_counter()
        interpreter = runtime.interpreter(content)
        interpreter.allocate_tensors()
        interpreter.invoke()
        cutting.append(1e3 * (cut - start))
        loading.append(1e3 * (time.perf_counter() - cut))
    return statistics.median(cutting), statistics.median(loading)


def compare(name: str, model, x, mode: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bundles(model, x, mode, pathlib.Path(folder))
        found = ways(pathlib.Path(folder))
        opened = set()
        for budget in BUDGETS:
            ms = median_ms(found, x, budget)
            result = found["ifs"].run(x[: IMAGES.value], budget)
            whole = found["plain"].levels[-1].macs
            opened |= {one.gates for one in result.patterns}
            fresh = tnn_tflite.Dispatcher(pathlib.Path(folder) / "patterns")
            seen = [fresh.run(image, budget).patterns[0] for image in x[: 10 * IMAGES.value]]
            shares = "".join(
                f"{ms[way] / ms['plain']:>8.2f}" if way in ms else f"{'-':>8}"
                for way in ("files", "ifs", "cut")
            )
            hits = np.mean([one.cached for one in seen])
            count = len({one.gates for one in seen})
            print(
                f"{name:<10}{mode:>8}{budget:>8g}{result.macs / IMAGES.value / whole:>7.2f}"
                f"{ms['plain']:>10.3f}{shares}{count:>10}{hits:>7.2f}",
                flush=True,
            )
        cut, load = cutting_ms(found["cut"], opened)
        print(f"{name}, {mode}: a pattern is cut in {cut:.2f} ms, loaded and run in {load:.2f} ms")


def main(argv):
    logging.set_verbosity(logging.ERROR)  # TensorFlow reports every saved file
    keras.utils.set_random_seed(0)
    print(
        f"{datetime.date.today()}, {platform.processor() or platform.machine()}, "
        f"{find_runtime().name}, 1 thread, {10 * IMAGES.value} images for patterns and hits"
    )
    print("network    numbers  budget   MACs  plain ms   files     ifs     cut  patterns   hits")
    make = {"ResNet-20": resnet, "ResNeXt-29": resnext}
    for name in NETWORKS.value:
        model, x = make[name]()
        for mode in MODES.value:
            compare(name, model, x, mode)


if __name__ == "__main__":
    app.run(main)
