"""Whether time falls as MACs do when a policy climbs the levels: the dispatcher beside u = 1.

    python benchmarks/escalated_time.py

Networks of 3x3 convolutions that take about 0.1, 1, 4 and 20 ms at u = 1. Escalate runs a low level
and keeps its answer for every second image, by the margin. All images run whole, at the low level,
by hand (calls that name the levels which the policy ran) and through the policy, in turn, on one
thread. What counts is the thread's time on the processor, so that other processes disturb little,
and for each image the median of its rounds.

"MACs" and "time" are shares of u = 1. So is "alone", what the levels that ran take when nothing
else runs between: small levels are not as quick as their MACs say. "by hand" has them as they
follow each other, when the processor's caches hold another level. What "time" has more is the
policy's, also in microseconds an image. Goal: time over MACs within 0.10 of 1 for networks of 1 ms
and more.
"""

import os
import tempfile
import time
from collections.abc import Callable

import numpy as np

from tnn_tflite import Dispatcher, convert
from tnn_tflite.policies import Escalate, certainty_of

LEVELS = (0.25, 0.5, 1.0)
SMALL = (32, 32, 64, 64, 128, 128)
LARGE = (64, 64, 128, 128, 128, 128)
NETWORKS = {  # side of the image, channels, images, rounds
    "0.1 ms": (16, SMALL, 100, 15),
    "1 ms": (32, LARGE, 100, 9),
    "4 ms": (64, LARGE, 30, 7),
    "20 ms": (128, LARGE, 12, 5),
}


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    print(f"{'':<8}   u   u = 1 us   MACs  alone  by hand   time  time/MACs      policy")
    for name, (side, channels, images, rounds) in NETWORKS.items():
        keras.utils.set_random_seed(0)
        x = np.random.default_rng(0).random((images, side, side, 3), "float32")
        with tempfile.TemporaryDirectory() as folder:
            networks = {u: network(side, channels, u) for u in LEVELS}
            convert(networks, f"{folder}/bundle", verbose=False)
            for low in LEVELS[:-1]:
                report(f"{name:<8}{low:>4g}", f"{folder}/bundle", low, x, rounds)


def network(side: int, channels: tuple[int, ...], width: float):
    """Pairs of convolutions, each with a pooling behind it."""
    import keras

    x = image = keras.Input((side, side, 3), name="image")
    for index, count in enumerate(channels):
        x = keras.layers.Conv2D(int(count * width), 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x) if index % 2 else x
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(x))


def report(name: str, directory: str, low: float, x: np.ndarray, rounds: int) -> None:
    plain = Dispatcher(directory)
    margins = certainty_of(plain(x, low), "margin")
    policy = Escalate([float(np.median(margins))], levels=(low, 1.0), measure="margin")
    climbing = Dispatcher(directory, policy=policy)
    for one in (plain, climbing):
        one.warm_up()
    ran = [climbing.run(image) for image in x]
    used = [[level.utilization for level in result.levels] for result in ran]
    macs = np.mean([result.macs for result in ran]) / plain.levels[-1].macs
    calls = (
        lambda image, _: plain(image, 1.0),
        lambda image, _: plain(image, low),
        lambda image, levels: [plain(image, u) for u in levels],
        lambda image, _: climbing(image),
    )
    microseconds = [[times(call, x, used) for call in calls] for _ in range(rounds)]
    full, at_low, by_hand, climbed = np.median(microseconds, axis=0).mean(axis=-1)
    alone = at_low + np.mean([len(levels) > 1 for levels in used]) * full
    print(
        f"{name}{full:>11.0f}{macs:>7.3f}{alone / full:>7.3f}{by_hand / full:>9.3f}"
        f"{climbed / full:>7.3f}{climbed / full / macs:>11.2f}{climbed - by_hand:>9.0f} us",
        flush=True,
    )


def times(call: Callable, x: np.ndarray, used: list[list[float]]) -> list[float]:
    """Microseconds of a call for each image."""
    found = []
    for image, levels in zip(x, used, strict=True):
        start = time.thread_time()
        call(image, levels)
        found.append(1e6 * (time.thread_time() - start))
    return found


if __name__ == "__main__":
    main()
