"""Every level in one file: its size, its first use, its memory, its speed.

    python benchmarks/one_file.py --networks conv,vgg,resnet,mobilenet --levels 4

For each network, in float32 and int8: bytes of the one file over those of the full level's own file
(goal: at most 1.05 for 4 levels, 1.15 for 16), and of all levels' own files over it. Of the level
just below the full one: milliseconds of its first use (read, verify, cut, allocate, first run; goal
for MobileNetV2 at 224: under 150), megabytes of memory that cutting takes beyond the file and the
level (goal: at most 20), each in a process of its own; and the time of a run over that of the
level's own file, the two in turn (goal: at most 1.03). Random weights, one thread.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace

import keras
import numpy as np
from absl import app, flags, logging

import keras_tnn as tnn
from tnn_tflite.conversion.converted_level import ConvertedLevel
from tnn_tflite.conversion.converter import level_content, write_levels
from tnn_tflite.quantization.plan import plan_for

NETWORKS = flags.DEFINE_list("networks", ["conv", "vgg", "resnet"], "Which networks.")
LEVELS = flags.DEFINE_integer("levels", 4, "How many levels, evenly.")
ROUNDS = flags.DEFINE_integer("rounds", 200, "Timed runs of each file.")
FRESH_PROCESSES = 5

FIRST_USE = """
import sys, time
import numpy as np
from tnn_tflite import Dispatcher
from tnn_tflite.dispatch.interpreter import find_runtime
find_runtime()
directory, u = sys.argv[1], float(sys.argv[2])
dispatcher = Dispatcher(directory)
image = np.zeros(dispatcher.bundle.inputs[0].shape, "float32")
start = time.perf_counter()
dispatcher(image, u)
print(1e3 * (time.perf_counter() - start))
"""

PEAK = """
import sys
from tnn_tflite import read_bundle
def peak():  # bytes; unlike ru_maxrss it does not start with the parent's
    with open("/proc/self/status") as status:
        return 1024 * int(next(x for x in status if x.startswith("VmHWM")).split()[1])
bundle = read_bundle(sys.argv[1])
level = bundle.levels[int(sys.argv[2])]
before = peak()
content = bundle.read_level(level)
print((peak() - before - bundle.shared.bytes - level.bytes) / 2**20)
"""


LATENCY = """
import statistics, sys, time
from tnn_tflite import read_bundle
from tnn_tflite.dispatch.interpreter import find_runtime
own, cut, number, rounds = *sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4])
def run_of(directory):
    bundle = read_bundle(directory)
    interpreter = find_runtime().interpreter(bundle.read_level(bundle.levels[number]))
    interpreter.allocate_tensors()
    interpreter.invoke()
    return interpreter.invoke
def timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
runs = [run_of(directory) for directory in (own, cut)]
pairs = [[timed(run) for run in runs] for _ in range(rounds)]
print(statistics.median(cut / own for own, cut in pairs))
"""


def six_convolutions() -> keras.Model:
    """3x3 convolutions of 256 channels, as in other exporters' comparisons."""
    x = image = keras.Input((32, 32, 3))
    for _ in range(6):
        x = keras.layers.Conv2D(256, 3, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    outputs = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))
    return tnn.throttle(keras.Model(image, outputs), num_groups=16, axes=("width",))


def of_applications(constructor) -> keras.Model:
    return tnn.throttle(constructor(weights=None), num_groups=16)


MAKE = {
    "conv": six_convolutions,
    "vgg": lambda: tnn.models.VGG((32, 32, 3), 10),
    "resnet": lambda: tnn.models.ResNet((32, 32, 3), 10),
    "mobilenet": lambda: of_applications(keras.applications.MobileNetV2),
    "resnet50": lambda: of_applications(keras.applications.ResNet50),
}


def converted(model: keras.Model, levels: list[float]) -> list[ConvertedLevel]:
    """The levels in int8, with their float32 files."""
    shape = model.inputs[0].shape[1:]
    images = np.random.default_rng(0).random((16, *shape), dtype="float32")
    contents = []
    for u in levels:
        small = tnn.materialize(model, u, calibration_data=images)
        plan = plan_for("int8", images, "float32", small, keep_float=True)
        contents.append(level_content(small, u, plan))
    return contents


def in_float(contents: list[ConvertedLevel]) -> list[ConvertedLevel]:
    return [replace(x, content=x.float_content, float_content=None) for x in contents]


def alone(program: str, *arguments) -> float:
    """The median of what a program prints in processes of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    printed = [
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(FRESH_PROCESSES)
    ]
    return statistics.median(float(text.split()[-1]) for text in printed)


def report(name: str, kind: str, contents: list[ConvertedLevel], folder: str) -> None:
    files = write_levels(os.path.join(folder, "files"), contents)
    one = write_levels(os.path.join(folder, "one"), contents, "single")
    full, number = files.levels[-1].bytes, len(contents) - 2
    print(
        f"{name:>10}{kind:>9}{len(contents):>7}{full / 2**20:>9.2f}"
        f"{sum(level.bytes for level in files.levels) / full:>11.2f}"
        f"{one.shared.bytes / full:>10.4f}"
        f"{alone(FIRST_USE, one.directory, one.levels[number].utilization):>14.1f}"
        f"{alone(PEAK, one.directory, number):>10.1f}"
        f"{alone(LATENCY, files.directory, one.directory, number, ROUNDS.value):>9.3f}",
        flush=True,
    )


def main(argv):
    logging.set_verbosity(logging.ERROR)  # TensorFlow reports every saved file
    keras.utils.set_random_seed(0)
    levels = [(k + 1) / LEVELS.value for k in range(LEVELS.value)]
    print(
        "   network     type levels  full MB  all files  one file  first use ms  extra MB  latency"
    )
    for name in NETWORKS.value:
        contents = converted(MAKE[name](), levels)
        for kind, own in (("float32", in_float(contents)), ("int8", contents)):
            with tempfile.TemporaryDirectory() as folder:
                report(name, kind, own, folder)


if __name__ == "__main__":
    app.run(main)
