"""At which granularity does skipping pay? Conditional files beside the network without gates.

    python benchmarks/conditional.py

ResNets on 32x32 images, random weights, with data-dependent gates on whole blocks and on groups of
channels. Their biases are set so that all are open, every second one, or none but those that are
always open. Each file runs on one thread of the first TFLite runtime that is installed, all in
turn, so that a busy machine slows each; medians are given.

With `--trained network.keras --data cifar10.npz`, a network that `benchmarks/learned_gates.py` has
trained, the gates decide on test images instead, and means over them are given.

Columns: time and MACs as shares of the network without gates, gates included. Goals (issue 4): a
share of the time is at most that of the MACs + 0.10; all closed takes at most 5 % of all open plus
a plain network of what is never skipped, the last column.
"""

import datetime
import platform
import statistics
import time

import keras
import numpy as np
from absl import app, flags, logging

import keras_tnn as tnn
from tnn_tflite.conversion.keras_to_tflite import keras_to_tflite
from tnn_tflite.dispatch.interpreter import find_runtime

ROUNDS = flags.DEFINE_integer("rounds", 60, "Timed runs of each network.")
WIDTHS = flags.DEFINE_multi_integer("width", [16, 64], "Channels of the first stage.")
DEPTH = flags.DEFINE_integer("depth", 20, "Layers of the ResNet, 6n + 2.")
GROUPS = flags.DEFINE_multi_integer("groups", [2, 4, 8], "Groups of channels, D.")
TRAINED = flags.DEFINE_string("trained", None, "A saved network with data-dependent gates.")
DATA = flags.DEFINE_string("data", None, "An .npz with x_test, for --trained.")
IMAGES = flags.DEFINE_integer("images", 500, "Test images, for --trained.")
SHARES = {"open": 1.0, "half": 0.5, "closed": 0.0}


def gated(plain: keras.Model, num_groups: int | None) -> keras.Model:
    """The network with a gate for each block, or for each family of channels."""
    axes = ("depth",) if num_groups is None else ("width",)
    return tnn.throttle(plain, num_groups or 8, axes, gate=tnn.gates.DataDependent)


def set_gates(model: keras.Model, share: float) -> dict[str, np.ndarray]:
    """Sets the biases so that this share of the free groups is open; the patterns by gate."""
    patterns, number = {}, 0
    for gate in model.layers:
        if not isinstance(gate, tnn.gates.DataDependent):
            continue
        # Of single gates every second one, counted over the network.
        numbers = np.arange(number, number + gate.free_groups)
        opened = np.floor((numbers + 1) * share) > np.floor(numbers * share)
        number += gate.free_groups
        gate.pairs.kernel.assign(np.zeros(gate.pairs.kernel.shape))
        gate.pairs.bias.assign(np.stack([-20.0 * opened + 10, 20.0 * opened - 10], axis=-1))
        patterns[gate.name] = np.ones(gate.num_groups)
        patterns[gate.name][gate.free] = opened
    return patterns


def opened(content: bytes, image: np.ndarray):
    interpreter = find_runtime().interpreter(content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter


def networks(plain: keras.Model, num_groups: int | None):
    """Files of a gated network and their shares of the MACs, by name."""
    model = gated(plain, num_groups)
    macs, whole = {}, tnn.count_macs(plain)
    files = {"plain": keras_to_tflite(plain)[0]}
    for name, share in SHARES.items():
        patterns = set_gates(model, share)
        skipping = tnn.surgery.conditional(model)
        level = tnn.materialize(model, gates=patterns)
        gates = tnn.count_macs(skipping) - whole
        macs[name] = (tnn.count_macs(level) + gates) / whole
        files[name] = keras_to_tflite(skipping)[0]
    files["left"] = keras_to_tflite(level)[0]
    return files, macs


def medians(files: dict[str, bytes]) -> dict[str, float]:
    """Median milliseconds of each file, all run in turn."""
    image = np.random.default_rng(0).random((1, 32, 32, 3), dtype="float32")
    interpreters = {name: opened(content, image) for name, content in files.items()}
    times = {name: [] for name in files}
    for _ in range(ROUNDS.value):
        for name, interpreter in interpreters.items():
            start = time.perf_counter()
            interpreter.invoke()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def over_test_images():
    """Mean time and MACs of a trained conditional network, as shares of it without gates."""
    model = keras.saving.load_model(TRAINED.value)
    with np.load(DATA.value) as file:
        images = file["x_test"][: IMAGES.value] * np.float32(1 / 255)
    whole = tnn.materialize(model, gates={g.name: np.ones(g.num_groups) for g in model.gates})
    files = {
        "plain": keras_to_tflite(whole)[0],
        "gated": keras_to_tflite(tnn.conditional(model))[0],
    }
    with tnn.gates.record_decisions() as decisions:
        model(images, training=False)
    macs = np.array(tnn.losses.MacsShare(model)(decisions)).mean()
    interpreters = {name: opened(content, images[:1]) for name, content in files.items()}
    ms = {name: np.zeros(len(images)) for name in files}
    for number, image in enumerate(images):
        for name, interpreter in interpreters.items():
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
            start = time.perf_counter()
            interpreter.invoke()
            ms[name][number] = 1e3 * (time.perf_counter() - start)
    means = {name: values.mean() for name, values in ms.items()}
    middles = {name: np.median(values) for name, values in ms.items()}
    print(f"{len(images)} test images: share of MACs {macs:.3f}")
    for way, value in (("mean", means), ("median", middles)):
        share = value["gated"] / value["plain"]
        print(f"{way} ms: {value['gated']:.3f} of {value['plain']:.3f}, share {share:.3f}")


def main(argv):
    logging.set_verbosity(logging.ERROR)  # TensorFlow reports every saved file
    if TRAINED.value:
        over_test_images()
        return
    print(
        f"{datetime.date.today()}, {platform.processor() or platform.machine()}, "
        f"{find_runtime().name}, 1 thread, ResNet-{DEPTH.value}"
    )
    print("width  gates  plain ms  open: time  MACs  half: time  MACs  closed: time  MACs  at most")
    for width in WIDTHS.value:
        plain = tnn.models.ResNet((32, 32, 3), 10, DEPTH.value, width=width, throttled=False)
        for num_groups in (None, *GROUPS.value):
            files, macs = networks(plain, num_groups)
            ms = medians(files)
            share = {name: value / ms["plain"] for name, value in ms.items()}
            limit = share["left"] + 0.05 * share["open"]
            label = "blocks" if num_groups is None else f"D = {num_groups}"
            pairs = (f"{share[name]:>12.2f}{macs[name]:>6.2f}" for name in SHARES)
            print(
                f"{width:>5}{label:>7}{ms['plain']:>10.3f}{''.join(pairs)}{limit:>9.2f}", flush=True
            )


if __name__ == "__main__":
    app.run(main)
