"""Who turns the dial: the bandit of liu2022, controllers behind a low level, and escalation.

    python benchmarks/controllers.py --data cifar10.npz --out controllers_run

CIFAR-10 averaged to 16x16. For each seed a network of six 3x3 convolutions learns six levels by
the sandwich rule with distillation, on all training images but 8,000. Controllers learn, and
thresholds are chosen, on those 8,000; then each is run once on the test images, its own cost
included. "gain" is the accuracy above the best random choice of fixed levels at the same mean MACs.
A size trained alone for as many epochs, on the same images, stands beside each level ("twin").
At last an epoch of bandit training with the kept table beside one that runs the levels again.
A stopped run goes on where it stopped. Without `--data` the images come from keras.datasets.
"""

import functools
import json
import os
import pathlib
import time

import keras
import numpy as np
from absl import app, flags
from learned_gates import load

import keras_tnn as tnn

flags.FLAGS.set_default("out", "controllers_run")
flags.FLAGS.set_default("seeds", 3)
flags.FLAGS.set_default("epochs", 8)
OUT, SEEDS, EPOCHS = (flags.FLAGS[name] for name in ("out", "seeds", "epochs"))
HELD_OUT = flags.DEFINE_integer("held_out", 8000, "Training images for those who choose levels.")
TWINS = flags.DEFINE_bool("twins", True, "Train each size alone, too.")
LEVELS = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
BUDGETS = (0.3, 0.4, 0.5, 0.6)  # mean MACs over those of u = 1
PRICES = (0.05, 0.1, 0.2, 0.4)  # of all MACs, in right answers
BATCH = 64


def build(**kwargs) -> keras.Model:
    six = {"filters": ((32, 32), (64, 64), (128, 128)), "dense_units": None, "num_groups": 8}
    return tnn.models.VGG((16, 16, 3), 10, **six, name="six", **kwargs)


def trained(model: keras.Model, x, y, callbacks=()) -> keras.Model:
    rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS.value * -(-len(x) // BATCH))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(x, y, BATCH, EPOCHS.value, callbacks=[*callbacks], verbose=2)
    return model


def network(seed: int, x, y) -> keras.Model:
    """The network whose dial is turned."""
    path = pathlib.Path(OUT.value) / f"network_{seed}.keras"
    if not path.exists():
        keras.utils.set_random_seed(seed)
        rule = tnn.callbacks.SandwichRule(LEVELS, distillation=True)
        model = trained(build(), x, y, [rule])
        model.save(path.with_name("unfinished.keras"))
        os.replace(path.with_name("unfinished.keras"), path)
    return keras.saving.load_model(path)


def priced(right, confidence, cost, *, price: float):
    """A right answer is worth 1 and all MACs cost a price."""
    return keras.ops.cast(right, "float32") - price * keras.ops.convert_to_tensor(cost)


def learned(model, controller, levels, held_out, calibration, seed: int, **bandit) -> keras.Model:
    """A controller after bandit training on held-out images."""
    x, y, *weights = held_out
    keras.utils.set_random_seed(seed)
    bandit = tnn.controllers.ContextualBandit(
        model, controller, levels, calibration_data=calibration, **bandit
    )
    bandit.compile(keras.optimizers.RMSprop(1e-3))
    bandit.fit(x, y, BATCH, 15, sample_weight=weights[0] if weights else None, verbose=0)
    return controller


def balanced(outcomes) -> np.ndarray:
    """Weights by which each level is the oracle's choice equally often."""
    level = tnn.analysis.oracle(outcomes).level
    counts = np.bincount(level, minlength=len(outcomes.levels))
    return (len(level) / len(counts) / np.maximum(counts, 1))[level].astype("float32")


def controllers(model, held_out, known, calibration, seed: int) -> dict[str, keras.Model]:
    """Everybody who reads the image, and everybody who looks through the lowest level."""
    shape, size = (16, 16, 3), len(known.levels)
    image = functools.partial(
        learned, model, levels=known.levels, calibration=calibration, seed=seed
    )
    new = functools.partial(tnn.controllers.DepthwiseCNN, shape, size)
    made = {
        "image, Eq. 13": image(new(), held_out=held_out),
        "image, entropy": image(new(), held_out=held_out, entropy=0.1),
        "image, balanced": image(new(), held_out=(*held_out, balanced(known))),
        "image, exact": image(new(), held_out=held_out, exact=True),
    }
    behind = functools.partial(
        tnn.controllers.BehindLevel, model, known.levels[0], size, calibration_data=calibration
    )
    made["behind, Eq. 13"] = image(behind(), held_out=held_out)
    for price in PRICES:
        reward = functools.partial(priced, price=price)
        made[f"behind, price {price}"] = image(
            behind(), held_out=held_out, exact=True, reward=reward
        )
    return made


def run(seed: int, data) -> dict:
    """One network: each row a name, mean MACs, accuracy and gain."""
    x, y, held_out, (x_test, y_test) = data
    model = network(seed, x, y)
    calibration = x[:2000]
    outcomes = functools.partial(
        tnn.analysis.level_outcomes, model, calibration_data=calibration, verbose=False
    )
    known = outcomes(*held_out, levels=LEVELS)
    test = outcomes(x_test, y_test, levels=LEVELS)
    rows = {f"u={u:g}": (s, a) for u, s, a in zip(LEVELS, test.shares, test.accuracy, strict=True)}
    everybody = [tnn.analysis.oracle(test)]
    for most in (2, 3):
        for measure in ("probability", "margin"):
            for budget in BUDGETS:
                made = tnn.analysis.escalation(known, budget, most_levels=most, measure=measure)
                rows[f"escalation, {most} levels, {measure}, {budget}"] = made.on(test)
    # Controllers choose from the levels above 1/4: the lowest holds its own as its eyes.
    high = LEVELS[2:]
    known, chosen = outcomes(*held_out, levels=high), outcomes(x_test, y_test, levels=high)
    made = controllers(model, held_out, known, calibration, seed)
    table = tnn.analysis.evaluate_controller(made, x_test, chosen, known)
    print(table, flush=True)
    rows |= {one.name: one for one in (*table.controllers, *everybody)}
    folder = pathlib.Path(OUT.value)
    table.plot(folder / f"controllers_{seed}.png")
    table.plot_levels(folder / f"levels_{seed}.png")
    tnn.analysis.class_figure(test, path=folder / f"classes_{seed}.png")
    numbers = {}
    for name, one in rows.items():
        cost, accuracy = one if isinstance(one, tuple) else (one.mean_cost, one.accuracy)
        numbers[name] = (float(cost), float(accuracy), float(accuracy - test.mixture(cost)))
    return numbers


def twins(seed: int, data) -> dict:
    """Each size trained alone for as many epochs."""
    x, y, _, (x_test, y_test) = data
    numbers = {}
    for u in LEVELS:
        keras.utils.set_random_seed(seed)
        alone = trained(tnn.materialize(build(), u), x, y)
        numbers[f"twin of u={u:g}"] = alone.evaluate(x_test, y_test, BATCH, verbose=0)[1]
    return numbers


def kept(name: str, compute):
    """Results that a stopped run has already."""
    path = pathlib.Path(OUT.value) / f"{name}.json"
    if not path.exists():
        path.with_suffix(".unfinished").write_text(json.dumps(compute()))
        os.replace(path.with_suffix(".unfinished"), path)
    return json.loads(path.read_text())


def epochs(model, held_out, calibration):
    """Seconds of an epoch of bandit training, with the kept table and without."""
    x, y = held_out
    for cache in (True, False):
        controller = tnn.controllers.DepthwiseCNN((16, 16, 3), len(LEVELS))
        bandit = tnn.controllers.ContextualBandit(
            model, controller, LEVELS, calibration_data=calibration, cache=cache
        )
        bandit.compile("rmsprop")
        clock = Clock()
        bandit.fit(x, y, BATCH, 6, callbacks=[clock], verbose=0)
        yield float(np.median(clock.seconds[1:]))


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def main(_):
    pathlib.Path(OUT.value).mkdir(parents=True, exist_ok=True)
    x, y, x_test, y_test = load()
    x, x_test = (one.reshape(-1, 16, 2, 16, 2, 3).mean((2, 4)) for one in (x, x_test))
    order = np.random.default_rng(0).permutation(len(x))
    rest, held = order[: -HELD_OUT.value], order[-HELD_OUT.value :]
    data = x[rest], y[rest], (x[held], y[held]), (x_test, y_test)
    seeds = range(SEEDS.value)
    results = [kept(f"seed_{seed}", lambda: run(seed, data)) for seed in seeds]  # noqa: B023
    print(f"{'':40s} MACs  accuracy          gain   mean and range over {len(results)} seeds")
    for name in results[0]:
        cost, accuracy, gain = np.array([one[name] for one in results]).T
        print(
            f"{name:40s} {cost.mean():.3f} {accuracy.mean():.4f} ({accuracy.min():.4f} to "
            f"{accuracy.max():.4f}) {gain.mean():+.4f} ({gain.min():+.4f} to {gain.max():+.4f})"
        )
    if TWINS.value:
        alone = [kept(f"twins_{seed}", lambda: twins(seed, data)) for seed in seeds]  # noqa: B023
        for name in alone[0]:
            values = [one[name] for one in alone]
            print(
                f"{name:40s}       {np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"
            )
    with_table, without = epochs(network(0, x[rest], y[rest]), data[2], x[rest][:2000])
    print(
        f"an epoch with the kept table {with_table:.2f} s, without {without:.2f} s: "
        f"{without / with_table:.1f} times"
    )


if __name__ == "__main__":
    app.run(main)
