"""Two phases on CIFAR-10: a network that may lose any part, then gates learned on it as it is.

    python benchmarks/two_phases.py --data cifar10.npz --out channels_run
    python benchmarks/two_phases.py --data cifar10.npz --out blocks_run --gated blocks

Phase 1 trains a network on images of 16x16, without gates and then with random parts closed: groups
of the channels of six convolutions, or blocks of a ResNet-20. In phase 2 (hostetler2019, 4.2;
liu2022, 3.2.6) the network stays as it is, and for each target gates are learned by the batch
activation loss on MACs: gates that read the data and gates that do not, for the same epochs. Both
are measured by the threshold and drawn, the cost of the gates included. Networks with gates are
saved, for `benchmarks/conditional.py --trained`. A stopped run goes on where it stopped. `--data`,
`--out`, `--seeds` and `--targets` are those of learned_gates.py.
"""

import os
import pathlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from absl import app, flags
from learned_gates import BATCH, OUT, SEEDS, TARGETS, accuracy_at, cached, load, mean_share

import keras_tnn as tnn

GATED = flags.DEFINE_enum("gated", "channels", ["channels", "blocks"], "What gates open.")
PLAIN_EPOCHS = flags.DEFINE_integer("plain_epochs", 8, "Epochs without gates.")
RANDOM_EPOCHS = flags.DEFINE_integer("random_epochs", 6, "Epochs with random parts closed.")
GATE_EPOCHS = flags.DEFINE_integer("gate_epochs", 3, "Epochs of gates alone.")
KINDS = {"independent": tnn.gates.DataIndependent, "dependent": tnn.gates.DataDependent}
WAYS = {"threshold": 0.5, "drawn": tnn.gates.Stochastic()}
SHIFT = 3  # pixels


class Network(NamedTuple):
    """A network and how it is gated: its maker and the arguments of `throttle`."""

    make: Callable[..., keras.Model]
    where: dict


NETWORKS = {
    "channels": Network(
        partial(tnn.models.VGG, filters=((32, 32), (64, 64), (128, 128)), dense_units=None),
        {"axes": ("width",), "num_groups": 32},
    ),
    "blocks": Network(partial(tnn.models.ResNet, depth=20), {"axes": ("depth",)}),
}


class Shifted(keras.utils.PyDataset):
    """Batches of images, mirrored and shifted at random, in another order each epoch."""

    def __init__(self, x, y, seed: int):
        super().__init__()
        self.x = np.pad(x, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
        self.y, self.rng = y, np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.y) // BATCH)

    def __getitem__(self, index):
        chosen = self.order[index * BATCH : (index + 1) * BATCH]
        tops, lefts = self.rng.integers(0, 2 * SHIFT + 1, (2, len(chosen)))
        steps = self.rng.choice([-1, 1], len(chosen))
        size = self.x.shape[1] - 2 * SHIFT
        images = [
            self.x[one, top : top + size, left : left + size][:, ::step]
            for one, top, left, step in zip(chosen, tops, lefts, steps, strict=True)
        ]
        return np.stack(images), self.y[chosen]

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.y))


def halved(x):
    """Images of half the size, averaged."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))


class Small(Shifted):
    """Batches of mirrored and shifted images, at half their size."""

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return halved(x), y


def cosine(rate: float, steps: int) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.05))


def two_speeds(rate: float, steps: int) -> keras.optimizers.Optimizer:
    """What decides for all images learns ten times as fast as what makes a gate read the image."""
    speeds = keras.optimizers.OptimizerMap(default_optimizer=cosine(rate / 10, steps))
    # `throttle` names the gate of a layer "<layer>_open".
    speeds[".*_open/logits(/bias)?"] = cosine(rate, steps)
    return keras.optimizers.MultiOptimizer(speeds)


def fit(model, images: Shifted, epochs: int, rate: float, callbacks=(), speed=cosine):
    optimizer = speed(rate, epochs * len(images))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, epochs=epochs, callbacks=[*callbacks], verbose=2)


def stage(name: str, make) -> keras.Model:
    """A trained model, from its file where there is one: the next stage trains a copy of it."""
    path = pathlib.Path(OUT.value) / f"{name}.keras"
    if not path.exists():
        keras.utils.set_random_seed(0)
        make().save(path.with_name("unfinished.keras"))
        os.replace(path.with_name("unfinished.keras"), path)
    model = keras.saving.load_model(path)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def first_phase(x, y) -> keras.Model:
    """A plain network that has learned to run without any of its parts."""
    path = pathlib.Path(OUT.value) / "first.keras"
    if not path.exists():
        keras.utils.set_random_seed(0)
        network = NETWORKS[GATED.value]
        image = keras.Input((32, 32, 3), name="image")
        small = keras.layers.AveragePooling2D(2)(image)
        plain = keras.Model(image, network.make((16, 16, 3), 10, throttled=False)(small))
        fit(plain, Shifted(x, y, 0), PLAIN_EPOCHS.value, 2e-3)
        model = tnn.throttle(plain, **network.where, gate=tnn.gates.Independent)
        any_part = tnn.callbacks.UniformUtilization(low=0.25)
        fit(model, Shifted(x, y, 1), RANDOM_EPOCHS.value, 1e-3, [any_part])
        tnn.materialize(model, 1.0).save(path.with_name("unfinished.keras"))
        os.replace(path.with_name("unfinished.keras"), path)
    return keras.saving.load_model(path)


def second_phase(base, kind: str, target: float, seed: int, data) -> dict:
    """Learns gates on the network; what came of it on the test set."""
    x, y, x_test, y_test = data
    keras.utils.set_random_seed(seed)
    gate = partial(KINDS[kind], open_probability=0.7)
    model = tnn.throttle(base, **NETWORKS[GATED.value].where, gate=gate)
    model.freeze_data_path()
    towards = tnn.callbacks.BatchActivation(target, complexity="macs", weight=100, seed=seed)
    fit(model, Shifted(x, y, seed + 2), GATE_EPOCHS.value, 0.2, [towards], two_speeds)
    model.save(pathlib.Path(OUT.value) / f"{kind}_{target:g}_{seed}.keras")
    share = tnn.losses.complexity.MacsShare(model)
    results = {}
    for way, gating in WAYS.items():
        found = model.evaluate(
            x_test, y_test, batch_size=500, verbose=0, return_dict=True, gating=gating
        )
        results[way] = {**found, "macs": mean_share(model, share, x_test, gating)}
    return results


def table(results: dict, whole: float) -> str:
    """Both kinds at the MACs of the dependent gates; nan where the other kind has no point so low.

    Args:
        results: by kind, target and seed what `second_phase` returns.
        whole: accuracy of the network with all of its parts.
    """
    lines = [f"{'gates decide by':<17}{'target':>7}{'seed':>6}{'MACs':>7}  dependent  independent"]
    for way in WAYS:
        found = {key: (one[way]["macs"], one[way]["accuracy"]) for key, one in results.items()}
        curve = [point for (kind, *_), point in found.items() if kind == "independent"]
        ahead = []
        for (kind, target, seed), (macs, accuracy) in found.items():
            if kind == "dependent":
                other = accuracy_at(macs, [*curve, (1.0, whole)])
                ahead.append(accuracy - other)
                line = f"{way:<17}{target:>7}{seed:>6}{macs:>7.3f}  {accuracy:<9.4f}  {other:.4f}"
                lines.append(line)
        lines.append(f"{way}: dependent gates are ahead by {np.nanmean(ahead):+.4f} on average")
    return "\n".join(lines)


def main(argv):
    pathlib.Path(OUT.value).mkdir(parents=True, exist_ok=True)
    data = load()
    base = first_phase(*data[:2])
    base.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    whole = base.evaluate(*data[2:], batch_size=500, verbose=0, return_dict=True)["accuracy"]
    print(f"all open: {tnn.count_macs(base):,} MACs, accuracy {whole:.4f}", flush=True)
    results = {}
    for seed in range(SEEDS.value):
        for target in map(float, TARGETS.value):
            for kind in KINDS:
                run = partial(second_phase, base, kind, target, seed, data)
                results[kind, target, seed] = cached(f"{kind}_{target:g}_{seed}", run)
    print(table(results, whole))


if __name__ == "__main__":
    app.run(main)
