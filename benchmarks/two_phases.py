"""Two phases on CIFAR-10: a network that may lose any block, then gates learned on it as it is.

    python benchmarks/two_phases.py --data cifar10.npz --out two_phases_run

Phase 1 trains a ResNet-20 on images of 16x16, without gates and then with its blocks skipped at
random. In phase 2 (hostetler2019, 4.2; liu2022, 3.2.6) the network stays as it is, and for each
target gates on its blocks are learned by the batch activation loss on MACs: gates that read the
data and gates that do not, for the same epochs. Both are measured by the threshold and drawn, the
cost of the gates included. Drawn gates that are not polarized yet are far below their threshold, so
compare across both ways, too. A stopped run goes on where it stopped. `--data`, `--out`, `--seeds`
and `--targets` are those of learned_gates.py.
"""

import os
import pathlib
from functools import partial

import keras
import numpy as np
from absl import app, flags
from learned_gates import BATCH, OUT, SEEDS, TARGETS, accuracy_at, cached, load, mean_share

import keras_tnn as tnn

PLAIN_EPOCHS = flags.DEFINE_integer("plain_epochs", 10, "Epochs without gates.")
RANDOM_EPOCHS = flags.DEFINE_integer("random_epochs", 6, "Epochs with blocks skipped at random.")
GATE_EPOCHS = flags.DEFINE_integer("gate_epochs", 2, "Epochs of gates alone.")
KINDS = {
    "independent": (tnn.gates.DataIndependent, 0.05),  # and the rate at which it learns
    "dependent": (tnn.gates.DataDependent, 0.02),
}
WAYS = {"threshold": 0.5, "drawn": tnn.gates.Stochastic()}
SHIFT = 3  # pixels


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


def fit(model, images: Shifted, epochs: int, rate: float, callbacks=()):
    decay = keras.optimizers.schedules.CosineDecay(rate, epochs * len(images), alpha=0.05)
    model.compile(
        keras.optimizers.Adam(decay), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(images, epochs=epochs, callbacks=[*callbacks], verbose=2)


def blocks_gated(base, gate: type, open_probability: float) -> tnn.ThrottledModel:
    made = partial(gate, open_probability=open_probability)
    return tnn.throttle(base, axes=("depth",), gate=made)


def first_phase(x, y) -> keras.Model:
    """A plain network that has learned to run without any of its blocks."""
    path = pathlib.Path(OUT.value) / "first.keras"
    if not path.exists():
        image = keras.Input((32, 32, 3), name="image")
        resnet = tnn.models.ResNet((16, 16, 3), 10, depth=20, throttled=False)
        plain = keras.Model(image, resnet(keras.layers.AveragePooling2D(2)(image)))
        fit(plain, Shifted(x, y, 0), PLAIN_EPOCHS.value, 2e-3)
        model = blocks_gated(plain, tnn.gates.DataIndependent, 0.65)
        for gate in model.learned_gates:
            gate.pairs.trainable = False  # it draws, and does not learn
        fit(model, Shifted(x, y, 1), RANDOM_EPOCHS.value, 1e-3)
        tnn.materialize(model, 1.0).save(path.with_name("unfinished.keras"))
        os.replace(path.with_name("unfinished.keras"), path)
    return keras.saving.load_model(path)


def second_phase(base, kind: str, target: float, seed: int, data) -> dict:
    """Learns gates on the network; what came of it on the test set."""
    x, y, x_test, y_test = data
    keras.utils.set_random_seed(seed)
    gate, rate = KINDS[kind]
    model = blocks_gated(base, gate, 0.7)
    model.freeze_data_path()
    towards = tnn.callbacks.BatchActivation(target, complexity="macs", weight=100, seed=seed)
    fit(model, Shifted(x, y, seed + 2), GATE_EPOCHS.value, rate, [towards])
    share = tnn.losses.complexity.MacsShare(model)
    results = {}
    for way, gating in WAYS.items():
        found = model.evaluate(
            x_test, y_test, batch_size=500, verbose=0, return_dict=True, gating=gating
        )
        results[way] = {**found, "macs": mean_share(model, share, x_test, gating)}
    return results


def table(results: dict, whole: float) -> str:
    """Both kinds at the MACs of the dependent gates.

    Args:
        results: by kind, target and seed what `second_phase` returns.
        whole: accuracy of the network with all of its blocks.
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
    print(f"all blocks: {tnn.count_macs(base):,} MACs, accuracy {whole:.4f}", flush=True)
    results = {}
    for seed in range(SEEDS.value):
        for target in map(float, TARGETS.value):
            for kind in KINDS:
                run = partial(second_phase, base, kind, target, seed, data)
                results[kind, target, seed] = cached(f"{kind}_{target:g}_{seed}", run)
    print(table(results, whole))


if __name__ == "__main__":
    app.run(main)
