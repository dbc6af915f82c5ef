"""BudgetNet on CIFAR-10: a policy for 36 paths against random policies and nested gates.

    python benchmarks/budgetnet.py --data cifar10.npz --out budgetnet_run

A ResNeXt-29 of four branches a block (chen2020, Table 1, half as wide) is trained on images of
16x16, then with random paths closed: trained so shortly, it could not lose any. A budget policy for
its 36 paths is trained on the network as it is, then both together, then the policy again; the
budgets are shares of MACs, calibrated on held-out training images. Beside it stand random policies
that open as many paths of the same network, and nested gates, fine-tuned for as many epochs as the
joint training takes. A last policy starts where nested gates are: on their network, with paths in
their order; it is compared with nested gates that train on meanwhile. Settings were chosen on the
held-out images. The test images are looked at with `--test` only. A stopped run goes on where it
stopped; `--data` and `--out` are those of learned_gates.py.
"""

import pathlib
from functools import partial

import keras
import numpy as np
from absl import app, flags
from keras import ops
from learned_gates import OUT, accuracy_at, load
from two_phases import Small, fit, halved, stage

import keras_tnn as tnn

PRETRAIN = flags.DEFINE_integer("resnext_epochs", 5, "Epochs without gates.")
RANDOM = flags.DEFINE_integer("closed_epochs", 3, "Epochs with random paths closed.")
CURRICULUM = flags.DEFINE_integer("curriculum_epochs", 5, "Epochs of the curricula.")
POLICY = flags.DEFINE_integer("policy_epochs", 7, "Epochs of the policy alone.")
JOINT = flags.DEFINE_integer("joint_epochs", 2, "Epochs of policy and network; of nested gates.")
SETTLE = flags.DEFINE_integer("settle_epochs", 4, "Epochs of the policy alone in the end.")
ORDERED = flags.DEFINE_integer("ordered_epochs", 4, "Epochs of a policy in nested order.")
TEST = flags.DEFINE_bool("test", False, "Whether the test images are looked at.")
TIMED = flags.DEFINE_integer("timed", 0, "Images whose inference is timed.")
HELD_OUT = 5000  # training images that settings and the calibration are chosen on
BUDGETS = (0.2, 0.4, 0.6, 0.8, 1.0)
network = partial(tnn.models.ResNeXt, (16, 16, 3), 10, branch_width=8, filters=32, gate_sums=False)
reward = tnn.losses.BudgetReward(gamma=0.5, omega=0.1, unit="macs")
whole_convolution = keras.layers.Conv2D.convolution_op


def by_branch(layer, inputs, kernel):
    """A grouped convolution as one for each branch: TensorFlow trains it ten times as fast."""
    if layer.groups == 1:
        return whole_convolution(layer, inputs, kernel)
    branches = zip(*(ops.split(x, layer.groups, -1) for x in (inputs, kernel)), strict=True)
    return ops.concatenate(
        [ops.conv(x, k, layer.strides, layer.padding) for x, k in branches], axis=-1
    )


def pretrained(x, y) -> keras.Model:
    plain = network(throttled=False)
    fit(plain, Small(x, y, 0), PRETRAIN.value, 3e-3)
    return plain


@keras.saving.register_keras_serializable(package="benchmarks")
class RandomPaths(tnn.gates.Independent):
    """A share u of all paths, drawn at random."""

    whole_network = True


def with_paths_closed(plain, x, y) -> keras.Model:
    model = tnn.surgery.copy_weights(plain, network(gate=RandomPaths))
    any_path = tnn.callbacks.UniformUtilization(low=0.1)
    fit(model, Small(x, y, 3), RANDOM.value, 1e-3, [any_path])
    return tnn.surgery.copy_weights(model, network(throttled=False))


def policy_alone(plain, x, y) -> keras.Model:
    model = tnn.surgery.copy_weights(plain, network(gate=tnn.gates.BudgetPolicy))
    model.freeze_data_path()
    curriculum = tnn.callbacks.BudgetCurriculum(reward, epochs=CURRICULUM.value)
    fit(model, Small(x, y, 1), POLICY.value, 2e-3, [curriculum])
    return model


def joint(model, x, y) -> keras.Model:
    model.freeze_data_path(False)
    together = tnn.callbacks.BudgetCurriculum(reward, epochs=0)
    fit(model, Small(x, y, 2), JOINT.value, 1e-3, [together])
    return model


def settled(model, x, y) -> keras.Model:
    """The policy alone once more, on the network that it has shaped."""
    model.freeze_data_path()
    together = tnn.callbacks.BudgetCurriculum(reward, epochs=0, seed=1)
    fit(model, Small(x, y, 4), SETTLE.value, 3e-3, [together])
    return model


def nested(plain, epochs: int, x, y) -> keras.Model:
    model = tnn.surgery.copy_weights(plain, network())
    any_level = tnn.callbacks.UniformUtilization(low=0.1)
    fit(model, Small(x, y, 2), epochs, 1e-3, [any_level])
    return model


def ordered(start, x, y) -> keras.Model:
    """A policy whose paths open as nested gates open them, trained with the network."""
    first_paths = np.arange(36).reshape(9, 4).T.ravel().tolist()  # those of all blocks
    in_order = partial(tnn.gates.BudgetPolicy, order=first_paths)
    model = tnn.surgery.copy_weights(start, network(gate=in_order))
    together = tnn.callbacks.BudgetCurriculum(reward, epochs=0, whole=0.2)
    fit(model, Small(x, y, 5), ORDERED.value, 1e-3, [together])
    return model


def of_random(model, x, y, budget: float) -> tuple[float, float]:
    """Share of MACs and accuracy with as many paths open as the policy opens, but random ones."""
    paths = model.get_layer("open_groups")
    obeying = keras.Model([model.inputs[0], paths.output], model.output)
    count = ops.sum(paths(budget, image=x), axis=-1, keepdims=True)
    rank = np.random.default_rng(0).random((len(x), paths.num_groups)).argsort(-1).argsort(-1)
    opened = np.float32(rank < ops.convert_to_numpy(count))
    share = float(ops.mean(tnn.losses.MacsShare(model).measure(opened)))
    found = obeying.predict([x, opened], batch_size=500, verbose=0).argmax(-1)
    return share, float(np.mean(found == y))


def nested_curve(model, x, y) -> list[tuple[float, float]]:
    """Share of MACs and accuracy of each level."""
    whole = tnn.count_macs(model)
    return [
        (tnn.count_macs(model, u) / whole, accuracy(model, x, y, u))
        for u in (0.1, 0.25, 0.5, 0.75, 1.0)
    ]


def accuracy(model, x, y, u=None) -> float:
    at = {} if u is None else {"utilization": u}
    found = model.evaluate(x, y, batch_size=500, verbose=0, return_dict=True, **at)
    return found["accuracy"]


def compare(model, curve, x, y) -> str:
    """The policy at each budget, beside random paths and nested gates at its MACs."""
    table = tnn.analysis.evaluate_budgets(model, x, y, BUDGETS, timed=TIMED.value)
    lines = [str(table), "", "budget  share  accuracy  random: share  accuracy  nested"]
    for row in table.rows:
        share, by_chance = of_random(model, x, y, row.budget)
        numbers = (
            f"{row.share:>7.3f}{row.metrics['accuracy']:>10.4f}{share:>15.3f}{by_chance:>10.4f}"
        )
        lines.append(f"{row.budget:>6g}{numbers}{accuracy_at(row.share, curve):>8.4f}")
    return "\n".join(lines)


def main(argv):
    pathlib.Path(OUT.value).mkdir(parents=True, exist_ok=True)
    keras.layers.Conv2D.convolution_op = by_branch
    x, y, x_test, y_test = load()
    train, held = (x[:-HELD_OUT], y[:-HELD_OUT]), (halved(x[-HELD_OUT:]), y[-HELD_OUT:])

    def pretrained_stage():
        return stage("pretrained", lambda: pretrained(*train))

    def policy_stage():
        return stage("policy", lambda: policy_alone(plain, *train))

    plain = stage("closed", lambda: with_paths_closed(pretrained_stage(), *train))

    def joint_stage():
        return stage("joint", lambda: joint(policy_stage(), *train))

    alone = policy_stage()
    both = stage("settled", lambda: settled(joint_stage(), *train))
    of_order = stage("nested", lambda: nested(plain, JOINT.value, *train))
    further = stage("nested_further", lambda: nested(of_order, ORDERED.value, *train))
    in_order = stage("ordered", lambda: ordered(of_order, *train))
    half = HELD_OUT // 2  # calibrated on one half; the other is seen where there is no test
    seen = (halved(x_test), y_test) if TEST.value else (held[0][half:], held[1][half:])
    curve, further_curve = nested_curve(of_order, *seen), nested_curve(further, *seen)
    print(f"without gates: accuracy {accuracy(plain, *seen):.4f}")
    for name, points in (("nested", curve), ("nested further", further_curve)):
        print(f"{name}:", ", ".join(f"{a:.4f} at {m:.3f}" for m, a in points), flush=True)
    arms = (
        ("the policy alone", alone, curve),
        ("policy and network", both, curve),
        ("policy and network, in nested order", in_order, further_curve),
    )
    for name, model, points in arms:
        for hard in (False, True):
            tnn.training.calibrate_budgets(model, held[0][:half], reward.unit, hard)
            mode = "hard" if hard else "on average"
            print(f"\n{name}, {mode}\n{compare(model, points, *seen)}", flush=True)


if __name__ == "__main__":
    app.run(main)
