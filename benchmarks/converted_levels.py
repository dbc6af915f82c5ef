"""A converted level against the same-sized plain network, and against masking.

    python benchmarks/converted_levels.py

The network is the papers' VGG on 32x32 images, random weights. For each level it times, on one
thread: the file that `convert` writes; a plain Keras network written by hand with the level's
widths and converted; and the whole network with closed groups masked, which is what a gate costs
when nothing is cut. "pruned" is the same network with learned gates of which a random part is open
in every layer, cut out, against a plain network of these widths. All are run in turn, so that a
busy machine slows each; medians are printed. Goals: level over plain at most 1.03; u = 0.5 over
u = 1 at most 0.40.
"""

import os
import statistics
import tempfile
import time

import keras
import numpy as np
from absl import app, flags, logging

import keras_tnn as tnn
import tnn_tflite
from tnn_tflite.conversion.keras_to_tflite import keras_to_tflite
from tnn_tflite.dispatch.interpreter import find_runtime

STAGES = (2, 2, 3)  # convolutions each
WIDTHS = (64, 64, 128, 128, 256, 256, 256, 4096)
LEVELS = (0.25, 0.5, 0.75, 1.0)
COPIES = 4  # interpreters of each file; they take turns
ROUNDS = flags.DEFINE_integer("rounds", 150, "Timed runs of each network.")


def by_hand(widths: list[int]) -> keras.Model:
    """A network of some widths as one would write it without this package."""
    *widths, units = widths
    network, widths = [keras.Input((32, 32, 3))], iter(widths)
    for layers in STAGES:
        for _ in range(layers):
            network += [
                keras.layers.Conv2D(next(widths), 3, padding="same", use_bias=False),
                keras.layers.BatchNormalization(),
                keras.layers.ReLU(),
            ]
        network.append(keras.layers.MaxPooling2D())
    network += [
        keras.layers.Flatten(),
        keras.layers.Dense(units, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
    return keras.Sequential(network)


def pruned() -> keras.Model:
    """The network with 4 to 12 of 16 groups of channels left in each layer, any of them."""
    vanilla = tnn.models.VGG((32, 32, 3), 10, throttled=False)
    model = tnn.throttle(vanilla, num_groups=16, gate=tnn.gates.DataIndependent)
    rng, patterns = np.random.default_rng(0), {}
    for gate in model.learned_gates:
        patterns[gate.name] = rng.permutation(16) < rng.integers(4, 13)
    return tnn.materialize(model, gates=patterns)


def widths_of(model: keras.Model) -> list[int]:
    """Filters and units of all layers but the last one."""
    kernels = (keras.layers.Conv2D, keras.layers.Dense)
    return [layer.kernel.shape[-1] for layer in model.layers if isinstance(layer, kernels)][:-1]


def opened(content: bytes, *inputs) -> list:
    """Interpreters of one file with their inputs set: where its memory lies makes each differ."""
    return [open_one(content, *inputs) for _ in range(COPIES)]


def open_one(content: bytes, *inputs):
    interpreter = find_runtime().interpreter(content)
    interpreter.allocate_tensors()
    for detail, value in zip(
        sorted(interpreter.get_input_details(), key=lambda detail: -len(detail["shape"])),
        inputs,
        strict=True,
    ):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return interpreter


def main(argv):
    logging.set_verbosity(logging.ERROR)  # TensorFlow reports every saved file
    model = tnn.models.VGG((32, 32, 3), 10)
    image = np.random.default_rng(0).random((1, 32, 32, 3), dtype="float32")
    masked = keras_to_tflite(model)[0]
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        bundle = tnn_tflite.convert(
            model, folder, LEVELS, calibration_data=image.repeat(8, axis=0), verbose=False
        )
        for level in bundle.levels:
            u = level.utilization
            with open(os.path.join(folder, level.file), "rb") as file:
                runs["level", u] = opened(file.read(), image)
            runs["plain", u] = opened(
                keras_to_tflite(by_hand([int(u * w) for w in WIDTHS]))[0], image
            )
            runs["masked", u] = opened(masked, image, np.array([u], "float32"))
    cut = pruned()
    runs["level", "pruned"] = opened(keras_to_tflite(cut)[0], image)
    runs["plain", "pruned"] = opened(keras_to_tflite(by_hand(widths_of(cut)))[0], image)
    times = {name: [] for name in runs}
    for number in range(ROUNDS.value):
        for name, copies in runs.items():
            interpreter = copies[number % COPIES]
            interpreter.invoke()  # brings the weights back into the cache
            start = time.perf_counter()
            interpreter.invoke()
            times[name].append(1e3 * (time.perf_counter() - start))
    median = {name: statistics.median(values) for name, values in times.items()}
    print("     u  level ms  plain ms  ratio  of u = 1  masked of u = 1")
    for u in (*LEVELS, "pruned"):
        pairs = zip(times["level", u], times["plain", u], strict=True)
        ratio = statistics.median(level / plain for level, plain in pairs)
        print(
            f"{u:>6}{median['level', u]:>10.3f}{median['plain', u]:>10.3f}{ratio:>7.2f}"
            f"{median['level', u] / median['level', 1.0]:>10.2f}"
            + (f"{median['masked', u] / median['masked', 1.0]:>17.2f}" if u in LEVELS else "")
        )


if __name__ == "__main__":
    app.run(main)
