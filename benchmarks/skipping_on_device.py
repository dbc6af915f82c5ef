"""Gates that remember on the device: time against MACs, by the number of channel groups.

    python benchmarks/skipping_on_device.py --depth 14 --width 64

A ResNet on images of 32x32 with random weights gets layer gates, and channel gates of 2, 4 and 8
groups behind them (wang2019, Eq. 3), of which about 0.7 open. Each ships with an `IF` for every
block and group. Every image runs on each in turn; printed is the mean time without the slowest
quarter, over that of the network without gates. All gates are counted, also those in blocks that
are closed.
"""

import pathlib
import tempfile
import time

import keras
import numpy as np
from absl import app, flags

import keras_tnn as tnn
import tnn_tflite

DEPTH = flags.DEFINE_integer("depth", 14, "Of the ResNet, 6n + 2.")
WIDTH = flags.DEFINE_integer("width", 64, "Channels of its first stage.")
RUNS = flags.DEFINE_integer("runs", 4, "Runs of each image.")
SHAPE = (32, 32, 3)
GATES = {"depth": tnn.gates.Recurrent, "width": tnn.gates.Convolutional}


def gated(plain, axes: tuple[str, ...], groups: int, x) -> keras.Model:
    """The network with gates that differ from image to image."""
    network = tnn.models.ResNet(
        SHAPE,
        10,
        depth=DEPTH.value,
        width=WIDTH.value,
        num_groups=groups,
        axis=axes,
        gate={axis: GATES[axis] for axis in axes},
    )
    model, rng = tnn.surgery.copy_weights(plain, network), np.random.default_rng(1)
    for gate in model.learned_gates:
        kernel, bias = gate.output_logits.kernel, gate.output_logits.bias
        kernel.assign(rng.normal(0, 1, kernel.shape))
        p = np.concatenate([one.probabilities for one in decisions(model, x) if one.gate is gate])
        bias.assign(np.asarray(bias) - np.quantile(np.log(p / (1 - p)), 0.3, axis=0))
    return model


def decisions(model, x) -> list:
    with tnn.gates.record_decisions() as found:
        model(x)
    return found


def share_of(model, x) -> float:
    """Mean MACs over those without gates, what gates cost included."""
    spent = float(np.mean(tnn.losses.MacsShare(model)(decisions(model, x))))
    cost = tnn.cost.gated_macs(model)
    return spent + float(cost.gates.whole / cost.ungated)


def main(_):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).random((40, *SHAPE)).astype("float32")
    plain = tnn.models.ResNet(SHAPE, 10, depth=DEPTH.value, width=WIDTH.value, throttled=False)
    networks = {"without gates": {1.0: plain}, "layers": gated(plain, ("depth",), 2, x)}
    for groups in (2, 4, 8):
        networks[f"and {groups} groups"] = gated(plain, ("depth", "width"), groups, x)
    with tempfile.TemporaryDirectory() as folder:
        seconds = {}
        for name, network in networks.items():
            levels = {} if name == "without gates" else {"levels": (1.0,)}
            path = pathlib.Path(folder) / name
            tnn_tflite.convert(network, path, verbose=False, **levels)
            seconds[name] = tnn_tflite.Dispatcher(path, trial=False), []
        for image in [*x] * RUNS.value:
            for dispatcher, times in seconds.values():
                start = time.perf_counter()
                dispatcher(image)
                times.append(time.perf_counter() - start)
    means = {
        name: np.sort(times)[: 3 * len(times) // 4].mean() for name, (_, times) in seconds.items()
    }
    whole = means.pop("without gates")
    print(f"without gates {1000 * whole:.3f} ms")
    for name, mean in means.items():
        print(f"{name:14} MACs {share_of(networks[name], x):.3f}  time {mean / whole:.3f}")


if __name__ == "__main__":
    app.run(main)
