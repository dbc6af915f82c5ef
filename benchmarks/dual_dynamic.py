"""Dual dynamic inference on CIFAR-10: gates, then exits, against networks of each budget.

    python benchmarks/dual_dynamic.py --data cifar10.npz --out dual_dynamic_run

The form of wang2019, Tables II and III and Figures 6 and 9, on images of 16x16. A ResNet is
trained, gets recurrent layer gates and channel gates (MGL2S), learns to skip nothing and then a
share of itself, and gets exits that are trained with all of it. Beside it stand ResNets of each
budget, trained alone for as many epochs as the DDI network in all, and the same network with layer
gates or channel gates only. Settings were chosen on held-out training images; the test images are
looked at with `--test` only. A stopped run goes on where it stopped; `--data` and `--out` are those
of learned_gates.py.
"""

import pathlib
import time
from functools import partial

import keras
import numpy as np
from absl import app, flags
from learned_gates import OUT, load
from two_phases import Small, fit, halved, stage

import keras_tnn as tnn
import tnn_tflite

DEPTH = flags.DEFINE_integer("depth", 20, "Of the base ResNet, 6n + 2.")
TWINS = flags.DEFINE_list("twins", ["8", "14", "20"], "Depths of the networks beside it.")
BASE = flags.DEFINE_integer("network_epochs", 5, "Epochs of the network without gates.")
ALONE = flags.DEFINE_integer("gates_alone_epochs", 1, "Epochs of the gates alone, to skip nothing.")
GATED = flags.DEFINE_integer("gated_epochs", 4, "Epochs of gates and network, to the target.")
EXITS = flags.DEFINE_integer("exit_epochs", 4, "Epochs of exits, gates and network.")
TARGET = flags.DEFINE_float("skipping", 0.4, "Skipping ratio.")
ALPHA = flags.DEFINE_float("alpha", 0.5, "Of the resource loss; the paper's is for 50,000 steps.")
TIMED = flags.DEFINE_integer("timed", 2000, "Images that are timed.")
TEST = flags.DEFINE_bool("test", False, "Whether the test images are looked at.")
ONLY_TWINS = flags.DEFINE_bool("only_twins", False, "Whether nothing else is trained.")
HELD_OUT = 5000  # training images that settings are chosen on
network = partial(tnn.models.ResNet, (16, 16, 3), 10)


def alone(depth: int, epochs: int, x, y) -> keras.Model:
    model = network(depth=depth, throttled=False)
    fit(model, Small(x, y, 0), epochs, 3e-3)
    return model


def gates(*axes) -> dict:
    """Zeros and ones in training, too: with p itself a short training does not settle."""
    made = {"depth": tnn.gates.Recurrent, "width": tnn.gates.Convolutional}
    return {axis: partial(made[axis], estimator=tnn.gates.Soft(hard=True)) for axis in axes}


def skipping(start, axes: tuple[str, ...], x, y) -> keras.Model:
    """Gates alone to zero skipping, then gates and network to the target (IV-A)."""
    gated = network(depth=DEPTH.value, axis=axes, gate=gates(*axes))
    model = tnn.surgery.copy_weights(start, gated)
    model.freeze_data_path()
    fit(model, Small(x, y, 1), ALONE.value, 3e-3, [tnn.callbacks.SkippingRatio(0.0, ALPHA.value)])
    model.freeze_data_path(False)
    to_target = tnn.callbacks.SkippingRatio(TARGET.value, ALPHA.value)
    fit(model, Small(x, y, 2), GATED.value, 2e-3, [to_target])
    return model


def dual(start, x, y) -> keras.Model:
    """Exits on top of the trained gates, end to end."""
    model = tnn.add_exits(start)
    to_target = tnn.callbacks.SkippingRatio(TARGET.value, ALPHA.value)
    fit(model, Small(x, y, 3), EXITS.value, 2e-3, [to_target])
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
    epochs = BASE.value + ALONE.value + GATED.value + EXITS.value
    twins = {}
    for depth in map(int, TWINS.value):
        twin = stage(f"alone{depth}", lambda depth=depth: alone(depth, epochs, *train))
        accuracy = twin.evaluate(*seen, verbose=0, return_dict=True)["accuracy"]
        twins[tnn.count_macs(twin)] = accuracy
        print(f"ResNet-{depth}: {tnn.count_macs(twin):,} MACs, {accuracy:.4f}", flush=True)
    if ONLY_TWINS.value:
        return
    base = stage("base", lambda: alone(DEPTH.value, BASE.value, *train))
    both = ("depth", "width")
    gated = stage("MGL2S", lambda: skipping(base, both, *train))
    ddi = stage("DDI", lambda: dual(gated, *train))
    print(on_device(gated, base, seen[0]), flush=True)
    print(tnn.evaluate_exits(ddi, *seen))
    print(against_twins(ddi, twins, *seen), flush=True)
    for name, axes in (("MGL2S", both), ("layers", both[:1]), ("channels", both[1:])):
        model = stage(name, lambda axes=axes: skipping(base, axes, *train))
        print(name, tnn.analysis.evaluate_gating(model, *seen, (0.5,), verbose=False), flush=True)


if __name__ == "__main__":
    app.run(main)
