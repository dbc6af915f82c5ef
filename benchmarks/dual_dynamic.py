"""Dual dynamic inference on CIFAR-10, against networks of each budget trained alone (wang2019).

    python benchmarks/dual_dynamic.py --data cifar10.npz --out dual_dynamic_run

The form of Tables II and III and of Fig. 9, in minutes, on images of 16x16. A trained ResNet gets
recurrent layer gates and channel gates (MGL2S), learns to skip nothing and then, epoch by epoch,
more, until a given share of its MACs is left; then it gets exits that are trained with all of it.
Half of the loss is distillation from the network without gates. Beside it stand ResNets of each
budget, trained alone, and trained on for as many epochs; and the same network with layer gates or
channel gates only, at the same MACs. Shares are those of the network without gates, and what
gates cost is in them. Settings were chosen on held-out training images; the test images are
looked at with `--test` only. A stopped run goes on where it stopped; `--data` and `--out` are
those of learned_gates.py.
"""

import pathlib
import time
from functools import partial

import keras
import numpy as np
from absl import app, flags
from keras import layers
from learned_gates import BATCH, OUT, load
from two_phases import Small, cosine, halved, stage

import keras_tnn as tnn
import tnn_tflite

DEPTH = flags.DEFINE_integer("depth", 26, "Of the ResNet that gets gates, 6n + 2.")
TWINS = flags.DEFINE_list("twins", ["8", "14", "20", "26"], "Depths of the networks beside it.")
ALONE = flags.DEFINE_integer("network_epochs", 14, "Epochs of each network without gates.")
STEPS = flags.DEFINE_integer("gates_alone_steps", 100, "Steps of gates alone, to skip nothing.")
GATED = flags.DEFINE_integer("gated_epochs", 4, "Epochs of gates and network, to the target.")
EXITS = flags.DEFINE_integer("exit_epochs", 3, "Epochs of exits, gates and network.")
MACS = flags.DEFINE_float("macs", 0.6, "Share of the MACs that gates leave.")
DUAL = flags.DEFINE_float("dual_macs", 0.5, "Share that they leave of the network with exits.")
DUAL_GATES = flags.DEFINE_enum("dual_gates", "MGL2S", ["MGL2S", "layers"], "Those under exits.")
WEIGHT = flags.DEFINE_float("early_weight", 0.5, "Of the loss of each early exit; 1 in Eq. 4.")
ALPHA = flags.DEFINE_float("alpha", 0.2, "Of the resource loss; the paper's is for 50,000 steps.")
GROUPS = flags.DEFINE_integer("channel_groups", 4, "Groups of channels a block.")
FILTERS = flags.DEFINE_integer("filters", 8, "Channels of a channel gate's convolution.")
RATE = flags.DEFINE_float("rate", 1.5e-3, "Learning rate of what is trained on.")
TIMED = flags.DEFINE_integer("timed", 2000, "Images that are timed.")
TEST = flags.DEFINE_bool("test", False, "Whether the test images are looked at.")
STAGES = flags.DEFINE_list(
    "stages", ["twins", "MGL2S", "DDI", "layers", "channels", "longer"], "What is run."
)
HELD_OUT = 5000  # training images that settings are chosen on
AXES = {"MGL2S": ("depth", "width"), "layers": ("depth",), "channels": ("width",)}
network = partial(tnn.models.ResNet, (16, 16, 3), 10)


class Taught(Small):
    """Labels whose cross-entropy is half that of the class, half distillation from a teacher."""

    def __init__(self, teacher: keras.Model, *data):
        super().__init__(*data)
        self.teacher = teacher

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x, (keras.utils.to_categorical(y, 10) + self.teacher.predict_on_batch(x)) / 2


def fit(model, images, epochs: int, rate: float, callbacks=(), **compiled):
    labels = "" if isinstance(images, Taught) else "sparse_"
    optimizer = cosine(rate, epochs * len(images))
    # Without XLA, which takes a third more time for these convolutions on a CPU.
    loss = f"{labels}categorical_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False, **compiled)
    model.fit(images, epochs=epochs, callbacks=[*callbacks], verbose=2)


def alone(depth: int, x, y) -> keras.Model:
    model = network(depth=depth, throttled=False)
    fit(model, Small(x, y, 0), ALONE.value, 3e-3)
    return model


def longer(model, x, y) -> keras.Model:
    fit(model, Small(x, y, 4), GATED.value + EXITS.value, RATE.value)
    return model


def gates(axes) -> dict:
    """Zeros and ones in training, too: with p itself a short training does not settle."""
    hard = tnn.gates.Soft(hard=True)
    made = {
        "depth": partial(tnn.gates.Recurrent, estimator=hard),
        "width": partial(tnn.gates.Convolutional, estimator=hard, filters=FILTERS.value),
    }
    return {axis: made[axis] for axis in axes}


def skipped_at(model, share: float) -> float:
    """The skipping ratio at which a share of the ungated network's MACs is left.

    The ratio counts gates, and the heads of all exits, in what is run and in what could be.
    """
    cost = tnn.cost.gated_macs(model)
    all_open = float(np.squeeze(cost(np.ones((1, sum(g.gate.num_groups for g in cost.sites))))))
    exits = getattr(model, "exit_costs", None)
    heads = all_open - exits()[model.exit_names[-1]] if exits else 0
    plain = cost.ungated - heads
    print(f"plain {plain:,.0f} MACs, gates {all_open - cost.ungated:,.0f}, heads {heads:,.0f}")
    return 1 - (share * plain + heads) / all_open


def to_macs(model, share: float, start: float | None = None) -> keras.callbacks.Callback:
    """Towards a share of the MACs, which from `start` on is reached for the last two epochs."""
    target = skipped_at(model, share)
    rises = {} if start is None else {"start": start, "step": (target - start) / (GATED.value - 2)}
    return tnn.callbacks.SkippingRatio(target, ALPHA.value, **rises)


def skipping(base, axes: tuple[str, ...], x, y) -> keras.Model:
    """Gates alone to zero skipping, then gates and network to the target (IV-A)."""
    gated = network(depth=DEPTH.value, axis=axes, gate=gates(axes), num_groups=GROUPS.value)
    model = tnn.surgery.copy_weights(base, gated)
    model.freeze_data_path()
    few = STEPS.value * BATCH
    fit(model, Small(x[:few], y[:few], 1), 1, 3e-3, [tnn.callbacks.SkippingRatio(0.0, ALPHA.value)])
    model.freeze_data_path(False)
    risen = to_macs(model, MACS.value, start=0.1)
    fit(model, Taught(base, x, y, 2), GATED.value, RATE.value, [risen])
    return model


def head(features, name: str):
    """The paper's branch classifier, without a convolution where the map is as coarse as the last.

    So the exits of the last stage cost what the network's own classifier does.
    """
    x = features
    while x.shape[1] > 4:
        x = layers.MaxPooling2D(2)(x)
        x = layers.Conv2D(min(64, 2 * x.shape[-1]), 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.Dense(10, activation="softmax", name=name)(layers.GlobalAveragePooling2D()(x))


def dual(start, base, x, y) -> keras.Model:
    """Exits on top of the trained gates, end to end."""
    model = tnn.add_exits(start, head=head)
    weights = [WEIGHT.value] * (len(model.exit_names) - 1) + [1.0]
    taught = Taught(base, x, y, 3)
    fit(
        model,
        taught,
        EXITS.value,
        RATE.value,
        [to_macs(model, DUAL.value)],
        loss_weights=weights,
    )
    return model


def against_twins(ddi, twins: dict, x, y) -> str:
    """Table II: a hard budget for every image, and a network of that budget."""
    whole = ddi.exit_costs()[ddi.exit_names[-1]]
    lines = ["    budget     spent       DDI     alone"]
    for macs, accuracy in twins.items():
        budget = min(1.0, macs / whole)
        try:
            found = ddi.evaluate(x, y, budget=budget, verbose=0, return_dict=True)
            own = f"{found['share'] * whole:>10,.0f}{found['accuracy']:>10.4f}"
        except ValueError as error:
            own = f"    {error}"
        lines.append(f"{macs:>10,}{own}{accuracy:>10.4f}")
    return "\n".join(lines)


def accuracies(named: dict[str, keras.Model], x, y) -> dict[int, float]:
    """By their MACs, from small to large, and prints them."""
    found = {}
    for name, model in named.items():
        macs = tnn.count_macs(model)
        found[macs] = model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"]
        print(f"{name}: {macs:,} MACs, {found[macs]:.4f}", flush=True)
    return found


def on_device(gated, base, x) -> str:
    """Mean time of an image behind IFs over that of the ungated network, one after the other."""
    seconds = {}
    for name, model in (("gated", gated), ("ungated", {1.0: base})):
        folder = pathlib.Path(OUT.value) / name
        tnn_tflite.convert(model, folder, **({} if name == "ungated" else {"levels": (1.0,)}))
        seconds[tnn_tflite.Dispatcher(folder, trial=False)] = []
    for image in x[: TIMED.value]:
        for dispatcher, times in seconds.items():
            start = time.perf_counter()
            dispatcher(image)
            times.append(time.perf_counter() - start)
    # Without the fiftieth in which the system gave the core to others.
    gated_ms, ungated_ms = (
        1000 * float(np.sort(one)[: -len(one) // 50].mean()) for one in seconds.values()
    )
    return f"on the device: {gated_ms:.3f} ms of {ungated_ms:.3f} ms, {gated_ms / ungated_ms:.3f}"


def main(argv):
    pathlib.Path(OUT.value).mkdir(parents=True, exist_ok=True)
    x, y, x_test, y_test = load()
    train, held = (x[:-HELD_OUT], y[:-HELD_OUT]), (halved(x[-HELD_OUT:]), y[-HELD_OUT:])
    seen = (halved(x_test), y_test) if TEST.value else held
    twins = {f"alone{n}": stage(f"alone{n}", partial(alone, int(n), *train)) for n in TWINS.value}
    budgets = accuracies(twins, *seen)
    base = twins[f"alone{DEPTH.value}"]
    for name in STAGES.value:
        if name == "longer":
            after = {
                f"longer{n}": stage(f"longer{n}", partial(longer, twins[f"alone{n}"], *train))
                for n in TWINS.value
            }
            accuracies(after, *seen)
        elif name == "DDI":
            under = DUAL_GATES.value
            gated = stage(under, partial(skipping, base, AXES[under], *train))
            ddi = stage(f"DDI_{under}", partial(dual, gated, base, *train))
            print(tnn.evaluate_exits(ddi, *seen))
            print(against_twins(ddi, budgets, *seen), flush=True)
        elif name == "time":
            gated = stage("MGL2S", partial(skipping, base, AXES["MGL2S"], *train))
            print(on_device(gated, base, seen[0]), flush=True)
        else:
            model = stage(name, partial(skipping, base, AXES[name], *train))
            print(name, tnn.analysis.evaluate_gating(model, *seen, (0.5,), verbose=False))


if __name__ == "__main__":
    app.run(main)
