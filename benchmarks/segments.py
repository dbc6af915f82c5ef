"""What it costs to ship a network as segments, and what a deadline by the clock keeps.

    python benchmarks/segments.py [--calls=2000]

A ResNet-20 for 32x32 images with exits after its first two stages, as segments and whole, in
float32 and int8; then a MobileNetV2 for 224x224 ones, 1 and 2 only.

1. All segments in turn against the whole network with its heads in one run. Goal: at most 1.05.
2. The files of all segments against the plain network's file and the weights of the heads: 1.02.
3. Calls with random deadlines, by the device's table, while a thread loads the processor in phases.
   No segment may start that does not fit. How many calls had an answer in time, how many ended
   late and by how much; beside them the whole network, which starts where its own time fits.
"""

import argparse
import os
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np

from tnn_tflite import Dispatcher, calibrate, convert
from tnn_tflite.dispatch.anytime import PERCENTILE
from tnn_tflite.dispatch.segment_answers import segment_milliseconds
from tnn_tflite.latency.in_turn import seconds_in_turn

PHASE = 0.5  # seconds of load, and of none


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=2000)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        for make, busy in ((resnet, calls), (mobilenet, 0)):
            plain, model = make()
            for mode in (None, "int8"):
                report(Path(folder) / f"{make.__name__}-{mode}", plain, model, mode, busy)


def resnet():
    """The plain network, and the same layers with exits."""
    import keras

    import keras_tnn as tnn

    plain = tnn.models.ResNet((32, 32, 3), 10, depth=20, throttled=False)
    ends = [layer.output for layer in plain.layers if isinstance(layer, keras.layers.Add)]
    # The last block of the first and of the second stage.
    return plain, with_exits(plain, [keras.layers.ReLU()(ends[number]) for number in (2, 5)])


def mobilenet():
    import keras

    image = keras.Input((224, 224, 3), name="image")
    plain = keras.applications.MobileNetV2(input_tensor=image, weights=None)
    ends = [
        plain.get_layer(name).output for name in ("block_6_expand_relu", "block_13_expand_relu")
    ]
    return plain, with_exits(plain, ends)


def with_exits(plain, ends: list):
    import keras

    (classes,) = plain.output.shape[1:]
    exits = [
        keras.layers.Dense(classes, name=f"exit_{count}")(keras.layers.GlobalAveragePooling2D()(x))
        for count, x in enumerate(ends, start=1)
    ]
    return keras.Model(plain.inputs, [*exits, plain.output])


def report(folder: Path, plain, model, mode: str | None, calls: int) -> None:
    shape, count = plain.input_shape[1:], 16
    images = np.random.default_rng(0).normal(size=(count, *shape)).astype("float32")
    make = {"quantization": mode, "verbose": False}
    if mode == "int8":
        make["representative_data"] = images
    convert(model, folder / "segments", exits=True, **make)
    convert({1.0: model}, folder / "whole", exits=False, **make)
    convert({1.0: plain}, folder / "plain", **make)
    segments, whole = Dispatcher(folder / "segments"), Dispatcher(folder / "whole")
    segments.warm_up()
    whole.warm_up()
    image = images[0]
    for result, answer in zip(segments.anytime(image), whole(image).values(), strict=True):
        np.testing.assert_allclose(result.outputs, answer, rtol=1e-4, atol=1e-5)
    both = [partial(segments, image), partial(whole, image)]
    # A busy machine only adds: the tenth that was least disturbed tells what each takes.
    in_turn, at_once = 1000 * np.percentile(seconds_in_turn(both, rounds=500), 10, axis=0)
    heads = (model.count_params() - plain.count_params()) * (1 if mode else 4)
    size, alone = size_of(folder / "segments"), size_of(folder / "plain")
    print(
        f"\n{folder.name}: in turn {in_turn:.3f} ms, at once {at_once:.3f} ms, "
        f"ratio {in_turn / at_once:.3f}\n"
        f"files {size:,} bytes, plain {alone:,} and heads {heads:,}: {size / (alone + heads):.3f}"
    )
    if not calls:
        return
    calibrate(segments, rounds=100)
    calibrate(whole, rounds=100)
    under_load(Dispatcher(folder / "segments"), Dispatcher(folder / "whole"), image, calls)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.tflite"))


def under_load(segments: Dispatcher, whole: Dispatcher, image: np.ndarray, calls: int) -> None:
    segments.warm_up()
    whole.warm_up()
    exits = segments._known_levels(True, lambda: [])  # the table beside the bundle
    takes = segment_milliseconds(exits, PERCENTILE)
    (alone,) = whole._known_levels(True, lambda: [])
    print("table, ms a segment, 90 %:", " ".join(f"{one:.3f}" for one in takes))
    print(f"table, ms the whole network, 90 %: {alone.percentile_90:.3f}")
    rng = np.random.default_rng(1)
    done = threading.Event()
    thread = threading.Thread(target=load, args=(done,))
    thread.start()
    unfit, ours, theirs, reached = 0, [], [], [0] * (len(takes) + 1)
    for _ in range(calls):
        deadline = float(rng.uniform(1.1 * takes[0], 1.5 * sum(takes)))
        start, last = time.perf_counter(), None
        for count, result in enumerate(segments.anytime(image, deadline_ms=deadline)):
            before = 0.0 if last is None else last.milliseconds
            unfit += before + takes[count] > deadline
            last = result
        end = milliseconds_since(start)
        reached[0 if last is None else len(last.levels)] += 1
        ours.append((last is not None, end - deadline))
        fits, start = alone.percentile_90 <= deadline, time.perf_counter()
        if fits:
            whole(image)
        theirs.append((fits, milliseconds_since(start) - deadline))
    done.set()
    thread.join()
    print(f"{calls} calls; segments that started and did not fit: {unfit}; ends at exit: {reached}")
    print(described("segments", ours))
    print(described("whole", theirs))


def load(done: threading.Event) -> None:
    """Multiplies matrices, half of the time."""
    a = np.random.default_rng(0).normal(size=(400, 400))
    while not done.is_set():
        end = time.perf_counter() + PHASE
        while time.perf_counter() < end and not done.is_set():
            a @ a
        done.wait(PHASE)


def described(name: str, calls: list[tuple[bool, float]]) -> str:
    late = np.array([over for answered, over in calls if answered and over > 0])
    in_time = np.mean([answered and over <= 0 for answered, over in calls])
    none = np.mean([not answered for answered, _ in calls])
    by = np.percentile(late, (50, 90, 100)) if len(late) else np.zeros(3)
    return (
        f"{name:<9} answered in time {in_time:.1%}, late {len(late) / len(calls):.1%} (by ms: "
        f"median {by[0]:.3f}, 90 % {by[1]:.3f}, most {by[2]:.3f}), no answer {none:.1%}"
    )


def milliseconds_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
