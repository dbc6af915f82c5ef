"""A trained Keras network gets a dial: throttle it, fine-tune it, compare the levels.

    python examples/throttle_pretrained.py --data cifar10.npz --out throttle_pretrained_run

A ResNet is first trained on CIFAR-10 as any Keras model is; it stands for a network of yours.
`throttle` keeps its weights: at u = 1 nothing changes, below it is of little use until it has been
fine-tuned. The tables before and after show it. Without `--data` the images come from
keras.datasets; the npz file holds x_train, y_train, x_test, y_test. A run that was stopped goes on
with the epoch in which it stopped.
"""

import os
import pathlib

import keras
import numpy as np
from absl import app, flags

import keras_tnn as tnn

DATA = flags.DEFINE_string("data", None, "An .npz with x_train, y_train, x_test, y_test.")
OUT = flags.DEFINE_string("out", "throttle_pretrained_run", "Folder for models and tables.")
DEPTH = flags.DEFINE_integer("depth", 8, "Layers of the ResNet, 6n + 2.")
PRETRAIN = flags.DEFINE_integer("pretrain_epochs", 8, "Epochs without a dial.")
TUNE = flags.DEFINE_integer("tune_epochs", 5, "Epochs of fine-tuning.")
SCHEDULE = flags.DEFINE_enum(
    "schedule",
    "sandwich",
    ["annealed", "sandwich"],
    "u ~ Uniform[t, 1] with t from 1 to 0 (hostetler2019), or the sandwich rule with distillation.",
)
LEVELS = (0.25, 0.5, 0.75, 1.0)


def load():
    """Images in [0, 1] as float32 and labels: x_train, y_train, x_test, y_test."""
    if DATA.value:
        with np.load(DATA.value) as file:
            arrays = [file[key] for key in ("x_train", "y_train", "x_test", "y_test")]
    else:
        (x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
        arrays = x_train, y_train, x_test, y_test
    x_train, y_train, x_test, y_test = arrays
    scale = np.float32(1 / 255)
    return x_train * scale, y_train.ravel(), x_test * scale, y_test.ravel()


def fit(model: keras.Model, name: str, x, y, epochs: int, rate: float, callbacks=()):
    """Trains a model, or loads it if that is done; returns it."""
    out = pathlib.Path(OUT.value)
    if (out / f"{name}.keras").exists():
        return keras.saving.load_model(out / f"{name}.keras")
    decay = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(x) // 64))
    model.compile(
        keras.optimizers.Adam(decay), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    backup = keras.callbacks.BackupAndRestore(out / f"{name}_backup")
    model.fit(x, y, batch_size=64, epochs=epochs, callbacks=[*callbacks, backup], verbose=2)
    model.save(out / f"{name}_unfinished.keras")
    os.replace(out / f"{name}_unfinished.keras", out / f"{name}.keras")
    return model


def main(argv):
    keras.utils.set_random_seed(0)
    out = pathlib.Path(OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    x_train, y_train, x_test, y_test = load()

    pretrained = tnn.models.ResNet((32, 32, 3), 10, depth=DEPTH.value, throttled=False)
    pretrained = fit(pretrained, "pretrained", x_train, y_train, PRETRAIN.value, rate=2e-3)
    print("pretrained:", pretrained.evaluate(x_test, y_test, verbose=0, return_dict=True))

    def table(model, title, calibration_data):
        levels = tnn.evaluate_levels(
            model, x_test, y_test, LEVELS, calibration_data=calibration_data, verbose=False
        )
        text = f"{title}\n{levels}\n"
        print(f"\n{text}")
        (out / f"{title.split()[0]}.txt").write_text(text)
        return levels

    model = tnn.throttle(pretrained, num_groups=8, axes=("width",), channel_order="l1")
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    table(model, "before fine-tuning", x_train[:2000])

    callback = {
        "annealed": lambda: tnn.callbacks.AnnealedUtilization(step=1 / TUNE.value),
        "sandwich": lambda: tnn.callbacks.SandwichRule(LEVELS, distillation=True),
    }[SCHEDULE.value]()
    model = fit(model, "tuned", x_train, y_train, TUNE.value, 1e-3, [callback])
    # With "annealed" every sample has its own u, and the statistics of training fit as they are.
    calibration_data = x_train[:2000] if SCHEDULE.value == "sandwich" else None
    table(model, "after fine-tuning", calibration_data).plot(out / "after.png")


if __name__ == "__main__":
    app.run(main)
