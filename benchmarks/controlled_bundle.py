"""What it costs that a bundle's own controller chooses the level.

    python benchmarks/controlled_bundle.py

The papers' VGG and a network of three convolutions, both for 32x32 images and at three levels, with
`keras_tnn.controllers.DepthwiseCNN`. A bias makes it choose the full level, so a call through it
differs from a call at u = 1 by the choice alone. Both are timed in turn, on one thread, and the
controller by itself. Then Escalate that keeps every answer of the lowest level, beside that level:
what looking at an answer costs. Goal: a controller takes at most 5 % of the full level.
"""

import os
import tempfile
from functools import partial

import numpy as np

from tnn_tflite import Dispatcher, convert
from tnn_tflite.dispatch.calibrate import warm_calls
from tnn_tflite.latency.in_turn import seconds_in_turn
from tnn_tflite.policies import Escalate

LEVELS = (0.25, 0.5, 1.0)
ROUNDS = 500


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    import keras_tnn as tnn

    keras.utils.set_random_seed(0)
    vgg = tnn.models.VGG((32, 32, 3), 10, num_groups=16)
    images = np.random.default_rng(0).normal(size=(64, 32, 32, 3)).astype("float32")
    print(f"{'':<20}full level   through it  controller   share of MACs   share of time")
    for name, networks in (
        ("VGG", {u: tnn.materialize(vgg, u, images) for u in LEVELS}),
        ("convolutions", {u: three_convolutions(u) for u in LEVELS}),
    ):
        for quantization in (None, "int8"):
            data = {} if quantization is None else {"representative_data": images}
            with tempfile.TemporaryDirectory() as folder:
                convert(
                    networks,
                    f"{folder}/bundle",
                    controller=controller_for_the_full_level(),
                    quantization=quantization,
                    verbose=False,
                    **data,
                )
                report(f"{folder}/bundle", f"{name} {quantization or 'float32'}", images[0])


def report(directory: str, name: str, image: np.ndarray) -> None:
    dispatcher = Dispatcher(directory)
    climbing = Dispatcher(directory, policy=Escalate([0.0] * (len(LEVELS) - 1)))
    climbing.warm_up()
    low, *_, full, choice = warm_calls(dispatcher, image)
    result = dispatcher.run(image)
    calls = [full, partial(dispatcher, image), choice, low, partial(climbing, image)]
    times = 1e6 * np.median(seconds_in_turn(calls, rounds=ROUNDS), axis=0)
    print(
        f"{name:<20}{times[0]:>7.1f} us{times[1]:>10.1f} us{times[2]:>9.1f} us"
        f"{result.choice_macs / dispatcher.levels[-1].macs:>16.2%}{times[2] / times[0]:>16.2%}"
    )
    print(f"{'':<20}{times[3]:>7.1f} us{times[4]:>10.1f} us   the lowest level, by Escalate")


def three_convolutions(width: float):
    import keras

    x = image = keras.Input((32, 32, 3), name="image")
    for channels in (64, 128, 128):
        x = keras.layers.Conv2D(int(channels * width), 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(x))


def controller_for_the_full_level():
    from keras_tnn.controllers import DepthwiseCNN

    controller = DepthwiseCNN((32, 32, 3), len(LEVELS))
    controller.layers[-1].bias.assign([0.0, 0.0, 9.0])
    return controller


if __name__ == "__main__":
    main()
