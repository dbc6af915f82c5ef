"""Learned gates on CIFAR-10: activation, polarization and accuracy at equal MACs.

    python benchmarks/learned_gates.py --data cifar10.npz --out learned_gates_run

A ResNet-8 behind a 2x2 average pooling is trained first; it trains here in minutes. From its
weights every method is then fine-tuned for the same number of epochs: gates that do not see the
data and gates that do, by the batch activation loss and by ConvNet-AIG's, a target for each gate;
and nested gates with random utilization. All are measured on the test set: learned gates after
batch-norm statistics were re-estimated on training images, nested ones with those of training, as
every sample had its own u. A stopped run goes on where it stopped. Networks with gates are saved,
for `benchmarks/conditional.py --trained`, with a figure of their training.
Without `--data` the images come from keras.datasets.
"""

import json
import os
import pathlib
import time
from functools import partial

import keras
import numpy as np
from absl import app, flags

import keras_tnn as tnn

DATA = flags.DEFINE_string("data", None, "An .npz with x_train, y_train, x_test, y_test.")
OUT = flags.DEFINE_string("out", "learned_gates_run", "Folder for the network and the results.")
IMAGES = flags.DEFINE_integer("images", 50000, "Training images.")
PRETRAIN = flags.DEFINE_integer("pretrain_epochs", 8, "Epochs without gates.")
EPOCHS = flags.DEFINE_integer("epochs", 6, "Epochs of fine-tuning, for every method.")
SEEDS = flags.DEFINE_integer("seeds", 2, "Runs of every method.")
TARGETS = flags.DEFINE_list("targets", ["0.3", "0.5", "0.7"], "Target rates.")
METHODS = flags.DEFINE_list(
    "methods", ["batch", "per gate", "nested", "dependent"], "What is trained."
)
WEIGHT = flags.DEFINE_float("weight", 100.0, "Weight of the gates' loss.")
GROUPS = flags.DEFINE_integer("groups", 16, "Groups of channels a layer.")
WIDTH = flags.DEFINE_integer("width", 16, "Channels of the network's first stage.")
BATCH = 128
LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


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


def fit(model: keras.Model, x, y, epochs: int, rate: float, callbacks=()):
    decay = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(x) // BATCH))
    model.compile(
        keras.optimizers.Adam(decay), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model.fit(x, y, batch_size=BATCH, epochs=epochs, callbacks=[*callbacks], verbose=2)


def pretrained(x, y) -> keras.Model:
    """The network that all methods start from."""
    path = pathlib.Path(OUT.value) / "pretrained.keras"
    if path.exists():
        return keras.saving.load_model(path)
    image = keras.Input((32, 32, 3), name="image")
    resnet = tnn.models.ResNet((16, 16, 3), 10, depth=8, width=WIDTH.value, throttled=False)
    model = keras.Model(image, resnet(keras.layers.AveragePooling2D(2)(image)))
    fit(model, x, y, PRETRAIN.value, rate=2e-3)
    model.save(path.with_name("unfinished.keras"))
    os.replace(path.with_name("unfinished.keras"), path)
    return model


def gated(base: keras.Model, gate: type) -> tnn.ThrottledModel:
    """The pretrained network with gates, nearly all of them open."""
    return tnn.throttle(
        base,
        num_groups=GROUPS.value,
        axes=("width",),
        gate=partial(gate, open_probability=0.98),
    )


def two_speeds(steps: int) -> keras.optimizers.Optimizer:
    """What decides for all images learns a hundred times as fast as the rest of the network.

    Gates must decide early in a short training, and their gradient is a share of the network's, as
    each is one of many. What makes a gate depend on the image learns slowly: at the fast rate its
    first layers are lost.
    """
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    speeds = keras.optimizers.OptimizerMap(default_optimizer=keras.optimizers.Adam(rate))
    # `throttle` names the gate of a layer "<layer>_open".
    speeds[".*_open/logits(/bias)?"] = keras.optimizers.Adam(0.1)
    speeds[".*_open/((hidden|normalization)/.*|logits/kernel)"] = keras.optimizers.Adam(3e-3)
    return keras.optimizers.MultiOptimizer(speeds)


def train_gates(base, name, gate: type, loss: keras.losses.Loss, target, seed, data) -> dict:
    """Fine-tunes with learned gates; what came of it on the test set."""
    x, y, x_test, y_test = data
    keras.utils.set_random_seed(seed)
    model = gated(base, gate)
    model.compile(
        two_speeds(EPOCHS.value * -(-len(x) // BATCH)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    # The target falls from 1 in the first half of the epochs (annealing, herrmann2019, S1.1).
    step = (1 - target) / max(1, EPOCHS.value // 2)
    annealed = {"start": 1 - step, "step": step, "every": 1}
    towards = tnn.callbacks.BatchActivation(
        target, loss, weight=WEIGHT.value, seed=seed, **annealed
    )
    history = model.fit(x, y, BATCH, EPOCHS.value, callbacks=[towards], verbose=2)
    figure = tnn.analysis.gate_timeline(history)
    figure.savefig(pathlib.Path(OUT.value) / f"{name}.png")
    tnn.surgery.recalibrate(model, x[:4000])
    model.save(pathlib.Path(OUT.value) / f"{name}.keras")
    share = tnn.losses.complexity.MacsShare(model)
    results = {}
    for name, gating in (("threshold", 0.5), ("stochastic", tnn.gates.Stochastic())):
        found = model.evaluate(
            x_test, y_test, batch_size=500, verbose=0, return_dict=True, gating=gating
        )
        results[name] = {**found, "macs": mean_share(model, share, x_test, gating)}
    return results


def mean_share(model, share, x, gating) -> float:
    """Mean share of the ungated network's MACs over samples, the gates' own included."""
    shares = []
    with model.gating(gating):
        for start in range(0, len(x), 500):
            with tnn.gates.record_decisions() as decisions:
                model(x[start : start + 500], training=False)
            shares.append(keras.ops.convert_to_numpy(share(decisions)))
    return float(np.concatenate(shares).mean())


def train_nested(base, seed: int, data) -> dict:
    """Fine-tunes with nested gates at random utilization; accuracy and MACs of many levels."""
    x, y, x_test, y_test = data
    keras.utils.set_random_seed(seed)
    model = tnn.throttle(base, num_groups=GROUPS.value, axes=("width",))
    fit(model, x, y, EPOCHS.value, 1e-3, [tnn.callbacks.UniformUtilization(seed=seed)])
    table = tnn.evaluate_levels(model, x_test, y_test, LEVELS, verbose=False)
    whole = tnn.count_macs(base)
    return {
        "levels": [
            {"macs": row.macs / whole, "accuracy": row.metrics["accuracy"]} for row in table.rows
        ]
    }


def cached(name: str, run) -> dict:
    """The result of a run, from its file if it is done."""
    path = pathlib.Path(OUT.value) / f"{name}.json"
    if not path.exists():
        start = time.perf_counter()
        result = {**run(), "seconds": time.perf_counter() - start}
        path.with_suffix(".part").write_text(json.dumps(result, indent=1))
        os.replace(path.with_suffix(".part"), path)
        print(name, result, flush=True)
    return json.loads(path.read_text())


def main(argv):
    out = pathlib.Path(OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    x, y, x_test, y_test = load()
    x, y = x[: IMAGES.value], y[: IMAGES.value]
    base, data = pretrained(x, y), (x, y, x_test, y_test)
    kinds = {
        "batch": (tnn.gates.DataIndependent, tnn.losses.BatchActivationLoss()),
        "dependent": (tnn.gates.DataDependent, tnn.losses.BatchActivationLoss()),
        "per gate": (tnn.gates.DataIndependent, tnn.losses.PerGateActivation()),
    }
    results = {}
    for seed in range(SEEDS.value):
        for method in METHODS.value:
            if method == "nested":
                run = partial(train_nested, base, seed, data)
                results[method, None, seed] = cached(f"nested_{seed}", run)
                continue
            gate, loss = kinds[method]
            for target in map(float, TARGETS.value):
                name = f"{method.replace(' ', '_')}_{target:g}_{seed}"
                run = partial(train_gates, base, name, gate, loss, target, seed, data)
                results[method, target, seed] = cached(name, run)
    print(rates_table(results))
    print(accuracy_table(results))


def each_seed(results, method, target, name: str) -> np.ndarray:
    """A result by the threshold, of every seed."""
    return np.array([results[method, target, s]["threshold"][name] for s in range(SEEDS.value)])


def spread(values, form: str) -> str:
    """Mean, lowest and highest over seeds."""
    return f"{values.mean():{form}} ({values.min():{form}} to {values.max():{form}})"


def rates_table(results) -> str:
    """Activation rate and polarization: mean over seeds, lowest and highest."""
    lines = [f"{'method':<12}{'target':>7}  {'activation rate':<24}{'polarized':<26}accuracy"]
    for method in METHODS.value:
        for target in map(float, TARGETS.value) if method != "nested" else ():
            rate, polarized, accuracy = (
                spread(each_seed(results, method, target, name), form)
                for name, form in (
                    ("activation_rate", ".3f"),
                    ("polarization", ".1%"),
                    ("accuracy", ".4f"),
                )
            )
            lines.append(f"{method:<12}{target:>7}  {rate:<24}{polarized:<26}{accuracy}")
    return "\n".join(lines)


def points(result: dict) -> list[tuple[float, float]]:
    """The (MACs, accuracy) of what one training gave."""
    if "levels" in result:
        return [(one["macs"], one["accuracy"]) for one in result["levels"]]
    return [(result[way]["macs"], result[way]["accuracy"]) for way in ("threshold", "stochastic")]


def accuracy_at(macs: float, curve: list[tuple[float, float]]) -> float:
    """Accuracy at a share of MACs, interpolated between the best of neighbouring points."""
    curve = sorted(curve)
    best = [(m, a) for m, a in curve if not any(n <= m and b > a for n, b in curve)]
    found = np.interp(macs, *zip(*best, strict=True), left=np.nan)
    return float(found)


def accuracy_table(results) -> str:
    """Accuracy of every method at the MACs of batch activation, mean over seeds and spread."""
    lines = ["accuracy at the MACs of batch activation, by seed"]
    for target in map(float, TARGETS.value):
        for seed in range(SEEDS.value):
            ours = results.get(("batch", target, seed))
            if not ours:
                continue
            macs = ours["threshold"]["macs"]
            line = f"target {target}  seed {seed}  MACs {macs:.3f}  "
            for method in METHODS.value:
                curve = [
                    point
                    for (name, _, of_seed), result in results.items()
                    if name == method and of_seed == seed
                    for point in points(result)
                ]
                at = ours["threshold"]["accuracy"] if method == "batch" else None
                at = at or (accuracy_at(macs, curve) if curve else float("nan"))
                line += f"{method} {at:.4f}  "
            lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    app.run(main)
