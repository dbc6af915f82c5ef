"""CIFAR-10: vanilla and throttled training side by side, then every level on the interpreter.

    python examples/cifar10.py --data cifar10.npz --out cifar10_run --epochs 8

Without `--data` the images come from tensorflow_datasets. The npz file holds x_train, y_train,
x_test, y_test. A run that was stopped goes on where it was: finished schedules are kept in
`--out`, an unfinished one resumes at its last epoch.
"""

import json
import os
import pathlib
import time

import keras
import numpy as np
from absl import app, flags, logging

import keras_tnn as tnn
import tnn_tflite

DATA = flags.DEFINE_string("data", None, "An .npz with x_train, y_train, x_test, y_test.")
OUT = flags.DEFINE_string("out", "cifar10_run", "Folder for models, table, figure and bundle.")
EPOCHS = flags.DEFINE_integer("epochs", 8, "Epochs of every schedule.")
BATCH = flags.DEFINE_integer("batch", 64, "Samples a step.")
RATE = flags.DEFINE_float("learning_rate", 2e-3, "First learning rate of Adam; falls as a cosine.")
LIMIT = flags.DEFINE_integer("samples", None, "Train and test on so many images only.")
LEVELS = flags.DEFINE_list("levels", ["0.25", "0.5", "0.75", "1.0"], "Levels to report and ship.")
ARCHITECTURE = flags.DEFINE_enum(
    "architecture", "six", ["six", "vgg", "resnet20", "resnet20_depth"], "The network."
)
SCHEDULES = flags.DEFINE_list(
    "schedules",
    ["vanilla", "uniform", "distilled"],
    "Any of vanilla, uniform, discrete, full, batch, annealed, curriculum, sandwich, distilled.",
)


# Here every sample of a batch has its own u, and the statistics of training fit as they are.
MIXED = ("uniform", "discrete", "annealed")


def levels() -> tuple[float, ...]:
    return tuple(float(level) for level in LEVELS.value)


def build(throttled: bool) -> keras.Model:
    """The network of `--architecture`, or its vanilla twin."""
    shape = ((32, 32, 3), 10)
    if ARCHITECTURE.value == "vgg":
        return tnn.models.VGG(*shape, throttled=throttled)
    if ARCHITECTURE.value == "resnet20":
        return tnn.models.ResNet(*shape, depth=20, num_groups=8, throttled=throttled)
    if ARCHITECTURE.value == "resnet20_depth":
        return tnn.models.ResNet(*shape, depth=20, axis="depth", throttled=throttled)
    six = {"filters": ((32, 32), (64, 64), (128, 128)), "dense_units": None, "num_groups": 8}
    return tnn.models.VGG(*shape, **six, throttled=throttled, name="six")


def schedule(name: str) -> list[keras.callbacks.Callback]:
    """The callback that draws utilization; none for the vanilla network."""
    callbacks = tnn.callbacks
    makers = {
        "vanilla": lambda: [],
        "uniform": lambda: [callbacks.UniformUtilization()],
        "discrete": lambda: [callbacks.DiscreteUtilization(levels())],
        "full": lambda: [callbacks.FixedUtilization(1.0)],
        "batch": lambda: [callbacks.UniformUtilization(per="batch")],
        "annealed": lambda: [callbacks.AnnealedUtilization(step=1 / EPOCHS.value)],
        "curriculum": lambda: [callbacks.UtilizationCurriculum(every=max(1, EPOCHS.value // 10))],
        "sandwich": lambda: [callbacks.SandwichRule(levels())],
        "distilled": lambda: [callbacks.SandwichRule(levels(), distillation=True)],
    }
    if name not in makers:
        raise app.UsageError(f"Unknown schedule '{name}'. Expected any of {', '.join(makers)}.")
    return makers[name]()


def from_tfds(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a split, downloaded by tensorflow_datasets at the first call."""
    import tensorflow_datasets as tfds

    data = tfds.load("cifar10", split=split, as_supervised=True).batch(1000)
    images, labels = zip(*tfds.as_numpy(data), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def load():
    """Images in [0, 1] as float32 and labels: x_train, y_train, x_test, y_test."""
    if DATA.value:
        with np.load(DATA.value) as file:
            arrays = [file[key] for key in ("x_train", "y_train", "x_test", "y_test")]
    else:
        arrays = [*from_tfds("train"), *from_tfds("test")]
    x_train, y_train, x_test, y_test = (array[: LIMIT.value] for array in arrays)
    scale = np.float32(1 / 255)
    return x_train * scale, y_train.ravel(), x_test * scale, y_test.ravel()


class StepTime(keras.callbacks.Callback):
    """Seconds of every training step, for the median."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def train(name: str, x, y, out: pathlib.Path) -> keras.Model:
    """Trains one schedule, or loads it if it is finished."""
    path = out / f"{name}.keras"
    if path.exists():
        return keras.saving.load_model(path)
    logging.info("training schedule %s", name)
    keras.utils.set_random_seed(0)
    model = build(throttled=name != "vanilla")
    steps = EPOCHS.value * -(-len(x) // BATCH.value)
    rate = keras.optimizers.schedules.CosineDecay(RATE.value, steps)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    times = StepTime()
    backup = keras.callbacks.BackupAndRestore(out / f"{name}_backup")
    model.fit(
        x,
        y,
        batch_size=BATCH.value,
        epochs=EPOCHS.value,
        callbacks=[*schedule(name), times, backup],
        verbose=2,
    )
    (out / f"{name}.json").write_text(json.dumps({"step_ms": 1e3 * np.median(times.seconds)}))
    unfinished = out / f"{name}_unfinished.keras"
    model.save(unfinished)
    os.replace(unfinished, path)
    return model


def report(name, model, vanilla, x_train, x_test, y_test, out):
    """Level table, figure, bundle and interpreter of one throttled model."""
    calibration = None if name in MIXED else x_train[:2000]
    table = tnn.evaluate_levels(
        model, x_test, y_test, levels(), calibration_data=calibration, vanilla=vanilla
    )
    area = table.area_under_curve("accuracy") if len(levels()) > 1 else float("nan")
    text = f"schedule {name}, {EPOCHS.value} epochs\n{table}\narea under accuracy: {area:.4f}"
    table.plot(out / f"{name}.png")
    tnn_tflite.convert(
        model, out / f"{name}_bundle", levels(), calibration_data=calibration, verbose=False
    )
    comparison = tnn_tflite.compare(
        model, out / f"{name}_bundle", x_test, y_test, calibration_data=calibration
    )
    text += f"\n\n{comparison}\n"
    print(f"\n{text}")
    (out / f"{name}.txt").write_text(text)


def main(argv):
    schedules = {name: schedule(name) for name in SCHEDULES.value}  # unknown names fail here
    out = pathlib.Path(OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    x_train, y_train, x_test, y_test = load()
    trained = {name: train(name, x_train, y_train, out) for name in schedules}
    vanilla = trained.pop("vanilla", None)
    if vanilla is not None:
        print("vanilla:", vanilla.evaluate(x_test, y_test, verbose=0, return_dict=True))
    for name, model in trained.items():
        report(name, model, vanilla, x_train, x_test, y_test, out)


if __name__ == "__main__":
    app.run(main)
