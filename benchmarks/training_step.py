"""Time of a training step: throttled against vanilla, in one run.

    python benchmarks/training_step.py

Prints, over alternating rounds, the median of a round's mean step for each regime, and of its
ratio to the vanilla network. Goals: per sample at most 1.08, per batch at most 0.60, learned gates
with their loss at most 1.25.
"""

import time

import keras
import numpy as np
from absl import app, flags

import keras_tnn as tnn
from keras_tnn import training

ROUNDS = flags.DEFINE_integer("rounds", 15, "Rounds; each times every regime once.")
STEPS = flags.DEFINE_integer("steps", 9, "Steps a round and regime.")
BATCH = flags.DEFINE_integer("batch", 64, "Samples a step.")


def network(throttled: bool = True) -> keras.Model:
    """Six 3x3 convolutions, the network of the measured decisions."""
    return tnn.models.VGG(
        (32, 32, 3),
        10,
        num_groups=8,
        filters=((32, 32), (64, 64), (128, 128)),
        dense_units=None,
        throttled=throttled,
    )


def with_learned_gates(gate: type) -> tnn.ThrottledModel:
    """The same network with a gate of 8 groups a layer and the batch activation loss."""
    model = tnn.throttle(network(throttled=False), num_groups=8, gate=gate)
    model.objective = training.GateObjective(
        tnn.losses.BatchActivationLoss(), tnn.losses.MacsShare(model), weight=1.0, weight_decay=2e-3
    )
    model.target.turn([0.5, 0.0])
    return model


class StepTime(keras.callbacks.Callback):
    """Seconds of each training step."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def main(argv):
    levels = (0.25, 0.5, 0.75, 1.0)
    distillation = keras.losses.CategoricalCrossentropy()
    regimes = {
        "vanilla": None,
        "per sample, masked": training.PerSample(),
        "per batch, active channels only": training.PerBatch(),
        "  at u = 1/4": training.PerBatch(training.DiscreteDraw((0.25,))),
        "  at u = 1/2": training.PerBatch(training.DiscreteDraw((0.5,))),
        "  at u = 3/4": training.PerBatch(training.DiscreteDraw((0.75,))),
        "sandwich, 1 random level": training.Sandwich(levels, 1),
        "sandwich, 1 random level, distillation": training.Sandwich(levels, 1, distillation),
    }
    rng = np.random.default_rng(0)
    x = rng.random((BATCH.value * STEPS.value, 32, 32, 3), dtype="float32")
    y = rng.integers(0, 10, len(x))
    models = {name: network(throttled=regime is not None) for name, regime in regimes.items()}
    models["learned gates, data-independent"] = with_learned_gates(tnn.gates.DataIndependent)
    models["learned gates, data-dependent"] = with_learned_gates(tnn.gates.DataDependent)
    for name, model in models.items():
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
        if regime := regimes.get(name):
            model.regime = regime
        for _ in range(6):  # compile a step for every choice of levels
            model.fit(x, y, batch_size=BATCH.value, verbose=0)
    times = {name: [] for name in models}
    clock = StepTime()
    for _ in range(ROUNDS.value):
        for name, model in models.items():
            model.fit(x, y, batch_size=BATCH.value, verbose=0, shuffle=False, callbacks=[clock])
            times[name].append(np.mean(clock.seconds[1:]))  # the first waits for the data
    base = np.array(times["vanilla"])
    print(f"{'regime':<42}{'ms a step':>10}{'ratio':>8}")
    for name, values in times.items():
        ratio = np.median(np.array(values) / base)
        print(f"{name:<42}{1000 * np.median(values):>10.1f}{ratio:>8.2f}")


if __name__ == "__main__":
    app.run(main)
