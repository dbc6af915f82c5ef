"""Networks of keras.applications under `throttle` and `materialize`: time, MACs, differences.

    python benchmarks/throttle_applications.py [NAME ...]

For each network, with random weights and its own image size, in width and in 8 groups: seconds of
`throttle` and of `materialize` at u = 1/2; the share of MACs that is left at u = 1/2 and 1/4; the
largest difference between throttled and original outputs at u = 1, and between the cut and the
masked network at u = 1/2, both of logits and relative to the largest of them. Goals for
MobileNetV2: 10 s and 5 s.
"""

import sys
import time
import warnings

import keras
import numpy as np

import keras_tnn as tnn

NAMES = [
    "VGG16",
    "ResNet50",
    "ResNet50V2",
    "DenseNet121",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "MobileNetV3Large",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionV3",
    "InceptionResNetV2",
    "Xception",
    "NASNetMobile",
    "ConvNeXtTiny",
]


def main(names):
    print(
        f"{'network':<18}{'throttle':>10}{'materialize':>13}{'MACs u=1/2':>12}{'u=1/4':>8}"
        f"{'u=1 differs':>13}{'cut differs':>13}"
    )
    for name in names:
        keras.backend.clear_session()
        report(name)


def report(name: str):
    build = getattr(keras.applications, name)
    size = {} if "MobileNetV3" not in name else {"input_shape": (224, 224, 3)}  # has none
    model = randomized(build(weights=None, classifier_activation=None, **size))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seconds, dialled = timed(lambda: tnn.throttle(model, num_groups=8, axes=("width",)))
    cut_seconds, small = timed(lambda: tnn.materialize(dialled, 0.5))
    x = np.random.default_rng(1).uniform(-1, 1, (1, *model.input_shape[1:])).astype("float32")
    macs = tnn.count_macs(model)
    half, quarter = (tnn.count_macs(dialled, u) / macs for u in (0.5, 0.25))
    whole = difference(model, dialled, x, 1.0)
    cut = difference(small, dialled, x, 0.5)
    print(
        f"{name:<18}{seconds:>8.1f} s{cut_seconds:>11.1f} s{half:>12.3f}{quarter:>8.3f}"
        f"{whole:>13.1e}{cut:>13.1e}",
        *(str(one.message) for one in caught),
        flush=True,
    )


def timed(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def difference(plain, dialled, x, u: float) -> float:
    wanted = np.array(plain(x))  # called directly: in a compiled graph TensorFlow fuses layers
    return np.abs(np.array(dialled([x, u])) - wanted).max() / np.abs(wanted).max()


def randomized(model, seed: int = 0):
    """Random biases and norms: constants that the cut must not forget."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        last = weight.path.split("/")[-1]
        if last in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif last in ("beta", "bias", "moving_mean"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    return model


if __name__ == "__main__":
    main(sys.argv[1:] or NAMES)
