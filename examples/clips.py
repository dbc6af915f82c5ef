"""Actions in clips (liu2022, 4.4): a throttled C3D, a controller that sets u, both on the device.

    python examples/clips.py --data jhmdb.npz --out clips_run

The npz file holds x_train, y_train, len_train and the same of test: the places of joints, (clips,
frames, joints, 2), and how many frames count. Each clip becomes 16 small heat maps of every joint.
C3D learns by the paper's curriculum, u from 0.1, a tenth more every two epochs. A 3-D ShuffleNet is
the controller, once by the paper's loss and once by the expected reward. It learns on clips that
C3D was not trained on, of which there are few: each is seen in several versions. All of the paper's
analysis goes to `--out`; then one bundle, with C3D and the controller of higher reward, runs on the
interpreter.
"""

import pathlib

import keras
import numpy as np
from absl import app, flags

import keras_tnn as tnn
import tnn_tflite

DATA = flags.DEFINE_string("data", None, "The npz file of joints.", required=True)
OUT = flags.DEFINE_string("out", "clips_run", "Folder for tables, figures and the bundle.")
LIMIT = flags.DEFINE_integer("clips", None, "Train and test on so many clips only.")
EPOCHS = flags.DEFINE_integer("epochs", 2, "Epochs of each step of the curriculum.")
ROUNDS = flags.DEFINE_integer("rounds", 30, "Epochs of the controller.")
FRAMES, SIZE, GROUPS = 16, 16, 10
LEVELS = tuple(k / GROUPS for k in range(1, GROUPS + 1))
HELD_OUT = 0.3  # of the training clips, for the controller


def heat_maps(joints: np.ndarray, lengths: np.ndarray, width: float = 0.12) -> np.ndarray:
    """Clips of joints as heat maps.

    Args:
        joints: `(clips, frames, joints, 2)`, x to the right and y down, about within [-1, 1].
        lengths: how many of the frames count, `(clips,)`.
        width: standard deviation of the spot that a joint makes.

    Returns:
        Floats in [0, 1], `(clips, 16, 16, 16, joints)`.
    """
    share = np.linspace(0, 1, FRAMES)
    frames = np.round(share * (lengths[:, None] - 1)).astype(int)
    chosen = np.take_along_axis(joints, frames[:, :, None, None], axis=1)
    axis = np.linspace(-1, 1, SIZE)
    x, y = (np.exp(-((chosen[..., None, i] - axis) ** 2) / (2 * width**2)) for i in (0, 1))
    return np.einsum("nfjx,nfjy->nfyxj", x, y).astype("float32")


def versions(joints: np.ndarray, lengths: np.ndarray, labels: np.ndarray, count: int, seed: int):
    """Each clip several times, mirrored, shifted, scaled and cut at its ends at random."""
    rng = np.random.default_rng(seed)
    joints, lengths, labels = (np.repeat(a, count, axis=0) for a in (joints, lengths, labels))
    few = (len(joints), 1, 1)
    scale, shift = rng.uniform(0.85, 1.15, few), rng.uniform(-0.1, 0.1, (*few, 2))
    moved = joints * scale[..., None] + shift
    moved[..., 0] *= rng.choice([-1, 1], few)
    ends = np.round(lengths * rng.uniform(0.8, 1, len(lengths))).astype(int)
    return heat_maps(moved, ends), labels


def split(path: str, seed: int = 0):
    """Clips for C3D, for its controller, and for the test: joints, lengths and labels of each."""
    with np.load(path) as file:
        parts = [[file[f"{key}_{part}"] for key in ("x", "len", "y")] for part in ("train", "test")]
        names = [str(name) for name in file["class_names"]]
    train, test = ([a[: LIMIT.value] for a in part] for part in parts)
    order = np.random.default_rng(seed).permutation(len(train[2]))
    held = int(len(order) * HELD_OUT)
    return [a[order[held:]] for a in train], [a[order[:held]] for a in train], test, names


def network(joints: int, classes: int) -> keras.Model:
    """A narrow C3D-WN: nested groups of channels in every layer but the first."""
    return tnn.models.C3D(
        (FRAMES, SIZE, SIZE, joints), classes, GROUPS, filters=((10,), (60,), (120,)),
        dense_units=(80,),
    )  # fmt: skip


def main(_):
    out = pathlib.Path(OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    train, held, test, names = split(DATA.value)
    x, y = versions(*train, count=6, seed=0)
    x_held, y_held = versions(*held, count=6, seed=1)
    x_test, y_test = heat_maps(*test[:2]), test[2]

    keras.utils.set_random_seed(0)
    model = network(x.shape[-1], len(names))
    curriculum = tnn.callbacks.UtilizationCurriculum(start=0.1, step=0.1, every=EPOCHS.value)
    model.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, 32, 10 * EPOCHS.value, callbacks=[curriculum], verbose=2)

    controllers, rewards = {}, {}
    for name, exact in (("Eq. 15", False), ("expected reward", True)):
        controllers[name] = tnn.models.ShuffleNet3D(
            x.shape[1:], GROUPS, width=48, units=(2, 2), throttled=False
        )
        bandit = tnn.controllers.ContextualBandit(model, controllers[name], LEVELS, exact=exact)
        bandit.compile(keras.optimizers.RMSprop(1e-3))
        bandit.fit(x_held, y_held, 32, ROUNDS.value, verbose=2)
        rewards[name] = bandit.evaluate(x_held, y_held, verbose=0, return_dict=True)["reward"]
    best = max(rewards, key=rewards.get)  # on clips that are held out

    known = tnn.analysis.level_outcomes(model, x_held, y_held, LEVELS, verbose=False)
    outcomes = tnn.analysis.level_outcomes(model, x_test, y_test, LEVELS, verbose=False)
    table = tnn.analysis.evaluate_controller(controllers, x_test, outcomes, known)
    print(table)
    table.plot(out / "controller.png")
    table.plot_levels(out / "levels.png")
    tnn.analysis.class_figure(outcomes, names, out / "classes.png")

    bundle = out / "bundle"
    tnn_tflite.convert(
        model, bundle, LEVELS, labels=names, controller=controllers[best], verbose=False
    )
    dispatcher = tnn_tflite.Dispatcher(bundle)
    right = dispatcher(x_test).argmax(-1) == y_test
    same = (right == table.controllers[[*controllers].index(best)].right).mean()
    print(f"device, '{best}': accuracy {right.mean():.4f}, as in Keras for {same:.1%} of the clips")
    print(dispatcher.run(x_test[:1]).reason)


if __name__ == "__main__":
    app.run(main)
