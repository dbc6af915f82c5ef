"""Dual dynamic inference on CIFAR-10, against networks of each budget trained alone (wang2019).

    python benchmarks/dual_dynamic.py --data cifar10.npz --out dual_dynamic_run

The form of Tables II and III and of Fig. 9, in minutes, on images of 16x16. A ResNet is trained
with exits from the start. Then it gets recurrent layer gates, channel gates or both (MGL2S), which
learn to skip nothing and then, epoch by epoch, more, until a given share of its MACs is left, while
exits and network are trained on; half of that loss is distillation from what its exits said before.
Beside it stand ResNets of each budget, trained alone for as many epochs. Shares are those of the
network without gates, and what gates cost is in them. Settings were chosen on held-out training
images; the test images are looked at with `--test` only. A stopped run goes on where it stopped;
`--data` and `--out` are those of learned_gates.py.
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
from keras_tnn.models.normalized import normalized, relu

BLOCKS = flags.DEFINE_list("blocks", ["2", "4", "7"], "Blocks of each stage of the base.")
PLACES = flags.DEFINE_list(
    "exits", ["1_block1", "2_block2", "3_block1", "3_block3", "3_block5"], "Stages and blocks."
)
TWINS = flags.DEFINE_list("twins", ["8", "14", "20", "26"], "Depths of the networks beside it.")
PLAIN = flags.DEFINE_integer("base_epochs", 12, "Epochs of network and exits without gates.")
STEPS = flags.DEFINE_integer("gates_alone_steps", 100, "Steps of gates alone, to skip nothing.")
GATED = flags.DEFINE_integer("skipping_epochs", 9, "Epochs of gates, network and exits.")
ALONE = flags.DEFINE_integer("network_epochs", 14, "First epochs of each network alone.")
MACS = flags.DEFINE_float("macs", 0.7, "Share of the MACs that gates leave.")
WEIGHT = flags.DEFINE_float("early_weight", 0.3, "Of the loss of an early exit; 1 in Eq. 4.")
ALPHA = flags.DEFINE_float("alpha", 0.2, "Of the resource loss; the paper's is for 50,000 steps.")
GROUPS = flags.DEFINE_integer("channel_groups", 4, "Groups of channels a block.")
FILTERS = flags.DEFINE_integer("filters", 8, "Channels of a channel gate's convolution.")
RATE = flags.DEFINE_float("rate", 1.5e-3, "Learning rate of what is trained on.")
TIMED = flags.DEFINE_integer("timed", 2000, "Images that are timed.")
TEST = flags.DEFINE_bool("test", False, "Whether the test images are looked at.")
STAGES = flags.DEFINE_list("stages", ["layers", "MGL2S", "channels"], "What is run.")
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
        answers = np.mean(self.teacher.predict_on_batch(x), axis=0)  # of its exits
        return x, (keras.utils.to_categorical(y, 10) + answers) / 2


def fit(model, images, epochs: int, rate: float, callbacks=()):
    labels = "" if isinstance(images, Taught) else "sparse_"
    optimizer = cosine(rate, epochs * len(images))
    loss = f"{labels}categorical_crossentropy"
    # Without XLA, which takes a third more time for these convolutions on a CPU.
    options = {"loss": loss, "metrics": ["accuracy"], "jit_compile": False}
    if names := getattr(model, "exit_names", None):
        options["loss_weights"] = [1.0, *[WEIGHT.value] * (len(names) - 2), 1.0]
    model.compile(optimizer, **options)
    model.fit(images, epochs=epochs, callbacks=[*callbacks], verbose=2)


def alone(depth: int, x, y) -> keras.Model:
    """A network by itself, trained and, as the other is, trained on."""
    model = network(depth=depth, throttled=False)
    fit(model, Small(x, y, 0), ALONE.value, 3e-3)
    fit(model, Small(x, y, 4), PLAIN.value + GATED.value - ALONE.value, RATE.value)
    return model


def head(features, name: str):
    """Residual blocks down to the map of the last stage, so that an exit is a whole ResNet."""
    x = features
    while x.shape[1] > 4:
        channels = 2 * x.shape[-1]
        label = f"{name}_{channels}"
        branch = relu(normalized(x, channels, 3, 2, f"{label}_1"), f"{label}_1")
        branch = normalized(branch, channels, 3, 1, f"{label}_2")
        x = normalized(x, channels, 1, 2, f"{label}_shortcut")
        x = relu(layers.Add(name=f"{label}_add")([x, branch]), label)
    return layers.Dense(10, activation="softmax", name=name)(layers.GlobalAveragePooling2D()(x))


def with_exits(model) -> keras.Model:
    return tnn.add_exits(model, at=[f"stage{place}_relu" for place in PLACES.value], head=head)


def base(x, y) -> keras.Model:
    blocks = tuple(int(count) for count in BLOCKS.value)
    model = with_exits(network(blocks=blocks, throttled=False))
    fit(model, Small(x, y, 0), PLAIN.value, 3e-3)
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
    heads = all_open - model.exit_costs()[model.exit_names[-1]]
    plain = cost.ungated - heads
    print(f"plain {plain:,.0f} MACs, gates {all_open - cost.ungated:,.0f}, heads {heads:,.0f}")
    return 1 - (share * plain + heads) / all_open


def skipping(trained, axes: tuple[str, ...], x, y) -> keras.Model:
    """Gates alone to zero skipping, then all to the target (IV-A), which the last 4 epochs have.

    What the first exit needs has no gates: it costs what the smallest network alone does.
    """
    plain = trained.up_to(trained.exit_names[-1])
    first = [one.name for one in plain.layers if one.name.startswith(("stem", "stage1_block1_"))]
    gated = tnn.throttle(plain, GROUPS.value, axes, gate=gates(axes), skip=first)
    model = tnn.surgery.copy_weights(trained, with_exits(gated))
    model.freeze_data_path()
    few = STEPS.value * BATCH
    fit(model, Small(x[:few], y[:few], 1), 1, 3e-3, [tnn.callbacks.SkippingRatio(0.0, ALPHA.value)])
    model.freeze_data_path(False)
    target = skipped_at(model, MACS.value)
    rises = {"start": 0.1, "step": (target - 0.1) / (GATED.value - 4)}
    ratio = tnn.callbacks.SkippingRatio(target, ALPHA.value, **rises)
    fit(model, Taught(trained, x, y, 2), GATED.value, RATE.value, [ratio])
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
    trained = stage("base", partial(base, *train))
    print(f"without gates\n{tnn.evaluate_exits(trained, *seen)}", flush=True)
    data = {"calibration_data": halved(train[0][:2000])}
    for name in STAGES.value:
        model = stage(name, partial(skipping, trained, AXES[name], *train))
        print(f"{name}\n{tnn.evaluate_exits(model, *seen, **data)}")
        print(against_twins(model, budgets, *seen), flush=True)
        if TIMED.value:
            last = trained.exit_names[-1]
            print(on_device(model.up_to(last), trained.up_to(last), seen[0]), flush=True)


if __name__ == "__main__":
    app.run(main)
