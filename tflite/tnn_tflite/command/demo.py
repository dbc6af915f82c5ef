"""Trains a throttled network on handwritten digits, converts it and turns its dial.

The digits are the 1,797 real 8x8 images that scikit-learn ships. A vanilla and a throttled
network train for as many epochs; each level of the throttled one becomes a TFLite file and runs
on the edge interpreter. The folder --out receives the model, the bundle and the figure.

    keras-tnn demo
"""

import os
import pathlib
import time
from collections.abc import Sequence
from functools import partial

import numpy as np
from absl import flags

from tnn_tflite.command.arguments import Arguments
from tnn_tflite.command.latency import median_milliseconds

LEVELS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
SHADES = " .:-=+*#%@"


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn demo [FLAGS]", __doc__)
    flags.DEFINE_string(
        "out", "digits_demo", "folder for model, bundle and figure", flag_values=arguments.flags
    )
    flags.DEFINE_integer(
        "epochs", 20, "epochs of each network", lower_bound=1, flag_values=arguments.flags
    )
    if arguments.parse(argv) is None:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notices about CPU and GPU
    run(pathlib.Path(arguments.flags.out), arguments.flags.epochs)


def run(out: pathlib.Path, epochs: int) -> None:
    """The main job: train, evaluate, convert, compare, dial.

    Args:
        out: folder for the results; made if it is missing.
        epochs: of each network, at least 1.
    """
    import keras

    import keras_tnn as tnn
    import tnn_tflite

    begin = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    (x_train, y_train), (x_test, y_test) = load_digits()
    keras.utils.set_random_seed(0)
    vanilla, model = network(throttled=False), network(throttled=True)
    steps = epochs * -(-len(x_train) // 64)
    sandwich = tnn.callbacks.SandwichRule(LEVELS, random_levels=2, distillation=True)
    for trained, callbacks in ((vanilla, []), (model, [sandwich])):
        print(f"Training '{trained.name}' on {len(x_train)} digits, {epochs} epochs:")
        rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
        trained.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        trained.fit(
            x_train,
            y_train,
            batch_size=64,
            epochs=epochs,
            callbacks=[*callbacks, progress(epochs)],
            verbose=0,
        )
    model.save(out / "digits.keras")

    print(f"\nCutting out each level, accuracy on {len(x_test)} other digits:")
    table = tnn.evaluate_levels(
        model, x_test, y_test, LEVELS, calibration_data=x_train, vanilla=vanilla
    )
    table.plot(out / "levels.png")
    print(table)

    print("\nConverting each level to TFLite:")
    tnn_tflite.convert(model, out / "bundle", LEVELS, calibration_data=x_train)
    comparison = tnn_tflite.compare(model, out / "bundle", x_test, y_test, calibration_data=x_train)
    dispatcher = tnn_tflite.Dispatcher(out / "bundle")
    print(f"\nKeras and TFLite side by side ({dispatcher.runtime}, one thread):\n{comparison}")

    turn_the_dial(dispatcher, x_test, y_test)
    print(f"\nModel, bundle and figure are in {out}/ ({time.perf_counter() - begin:.0f} s).")


def progress(epochs: int):
    """A callback with one progress bar for the whole training."""
    import keras

    bar = keras.utils.Progbar(
        epochs, unit_name="epoch", stateful_metrics=["accuracy", "loss", "u_low", "u_high"]
    )
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: bar.update(epoch + 1, list(logs.items()))
    )


def load_digits():
    """The digits as `(train, test)`, images `(n, 8, 8, 1)` float32 in [0, 1]; a fifth is test."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            "The demo needs scikit-learn's digits. Install: pip install keras-tnn[data]"
        ) from error
    x, y = datasets.load_digits(return_X_y=True)
    x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    test = len(x) // 5
    return (x[test:], y[test:]), (x[:test], y[:test])


def network(throttled: bool):
    """Four 3x3 convolutions in two stages, in sixteen groups."""
    import keras_tnn as tnn

    return tnn.models.VGG(
        (8, 8, 1),
        10,
        num_groups=16,
        filters=((32, 32), (64, 64)),
        dense_units=None,
        throttled=throttled,
        name="digits",
    )


def turn_the_dial(dispatcher, x: np.ndarray, y: np.ndarray) -> None:
    """Shows one image, classified at three utilizations."""
    index, why = pick_image(dispatcher, x, y)
    print(f"\nOne image at three values of u ({why}):\n\n{draw(x[index])}\n")
    for utilization in (LEVELS[0], 0.25, 1.0):
        probabilities = dispatcher(x[index], utilization)
        milliseconds = median_milliseconds(partial(dispatcher, x[index], utilization))
        guess = int(probabilities.argmax())
        print(
            f"  u = {utilization:<6g}  it is a {guess} ({probabilities[guess]:.0%} sure)"
            f"  {milliseconds:.3f} ms"
        )
    print(f"  it is labelled {y[index]}")


def pick_image(dispatcher, x: np.ndarray, y: np.ndarray) -> tuple[int, str]:
    """An image that the lowest level gets wrong and the full one right, if there is any."""
    low, full = (dispatcher(x, u).argmax(-1) for u in (LEVELS[0], 1.0))
    helped = np.flatnonzero((low != y) & (full == y))
    if len(helped):
        return int(helped[0]), "the first that u = 1 gets right and the lowest level wrong"
    return 0, "the first of the test images"


def draw(image: np.ndarray) -> str:
    """An 8x8 image as text, two characters a pixel."""
    shades = (image[..., 0] * (len(SHADES) - 1)).round().astype(int)
    return "\n".join("    " + "".join(2 * SHADES[shade] for shade in row) for row in shades)
