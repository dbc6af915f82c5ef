"""What the dispatcher costs on top of the interpreter it drives.

    python benchmarks/dispatcher.py

For a 32x32 image and, with MobileNetV2 and ResNet50, a 224x224 one it times a bare `invoke()` on
tensors that are set already, and a whole `Dispatcher` call: checks, copy in, run, copy out. The
rows named "switched" time both right after a run of the other level: a processor then has to
fetch the weights of this level into its cache again, whoever asks for it, and the dispatcher
shall add nothing to that. Before every call, not timed, the image is made from pixels, as an
application makes it from a camera's frame. Blocks of bare and dispatched calls alternate, so
that a busy machine slows both; the overhead is the median of the differences between
neighbouring blocks. Goals: under 30 microseconds on 32x32, under 2 % on 224x224, switched or not.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tnn_tflite import Dispatcher
from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.writer import write_bundle

LOW, HIGH = 0.5, 1.0
BLOCK = 4  # calls of one kind in a row; the first of them is cold and does not count


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(f"{'network, image':<24}{'bare invoke':>14}{'dispatcher':>14}{'overhead':>12}{'':>9}")
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder) / "small", 32, small_network, blocks=500)
        report(Path(folder) / "mobilenet", 224, mobilenet, blocks=200)
        report(Path(folder) / "resnet", 224, resnet, blocks=10)


def report(directory: Path, size: int, network: Callable, blocks: int) -> None:
    write_bundle(directory, contents(network))
    dispatcher = Dispatcher(directory)
    dispatcher.warm_up()
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype="uint8")
    image = np.empty(pixels.shape, "float32")
    low, high = bare_invokes(dispatcher)

    def frame() -> None:
        np.multiply(pixels, np.float32(1 / 255), out=image)

    def dispatch_low() -> None:
        dispatcher(image, LOW)

    def dispatch_high() -> None:
        dispatcher(image, HIGH)

    name = f"{directory.name} {size}"
    print_row(name, alternate(frame, (high, high), (dispatch_high, dispatch_high), blocks))
    switched = alternate(frame, (low, high), (dispatch_low, dispatch_high), blocks)
    print_row(f"{name} switched", switched)


def contents(network: Callable) -> Iterator[LevelContent]:
    from tnn_tflite.conversion.converter import level_content

    return (level_content(network(u), u) for u in (LOW, HIGH))


def small_network(width: float):
    import keras

    image = keras.Input((32, 32, 3), name="image")
    x = image
    for channels in (32, 64):
        x = keras.layers.Conv2D(int(channels * width), 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(x))


def mobilenet(width: float):
    import keras

    image = keras.Input((224, 224, 3), name="image")
    return keras.applications.MobileNetV2(input_tensor=image, alpha=width, weights=None)


def resnet(width: float):
    """ResNet50 whole, or cut after its third stage for the lower level."""
    import keras

    image = keras.Input((224, 224, 3), name="image")
    model = keras.applications.ResNet50(input_tensor=image, weights=None)
    if width < 1:
        x = keras.layers.GlobalAveragePooling2D()(model.get_layer("conv4_block6_out").output)
        model = keras.Model(image, keras.layers.Dense(1000, name="predictions")(x))
    return model


def bare_invokes(dispatcher: Dispatcher) -> list[Callable[[], None]]:
    """Returns `invoke` of the dispatcher's own interpreters, one a level.

    Two interpreters of one file differ by a few percent, as their memory lies elsewhere: that
    would hide what is measured here. So this looks behind the scenes.
    """
    return [pool.loaded.idle[0]._interpreter.invoke for pool in dispatcher._network.pools]


def alternate(frame: Callable, bare: tuple, dispatched: tuple, blocks: int) -> np.ndarray:
    """Returns the median seconds of each block, `(blocks, 2)`: bare and dispatched in turn.

    Each is a pair: what runs before, what is timed. `frame` makes the image just before.
    """
    pairs = [[block(frame, *pair) for pair in (bare, dispatched)] for _ in range(blocks)]
    return np.array(pairs)


def block(frame: Callable, before: Callable, timed: Callable) -> float:
    times = []
    for _ in range(BLOCK):
        before()
        frame()
        start = time.perf_counter()
        timed()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def print_row(name: str, times: np.ndarray) -> None:
    bare, dispatched = np.median(times, axis=0)
    overhead = np.median(times[:, 1] - times[:, 0])
    print(
        f"{name:<24}{bare * 1e6:>11.1f} us{dispatched * 1e6:>11.1f} us"
        f"{overhead * 1e6:>9.1f} us{overhead / bare:>9.1%}",
        flush=True,
    )


if __name__ == "__main__":
    main()
