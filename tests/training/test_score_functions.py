"""Gates that learn by their score function: what a sample costs, and what it is compared with."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras import ops

import keras_tnn as tnn
from keras_tnn import gates
from keras_tnn.training import Baseline, LeaveOneOut
from keras_tnn.training.sample_losses import SampleLosses, weighted_mean

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5)).astype("float32")
NUMBERS, REALS = np.arange(12) % 4, RNG.normal(size=(12,)).astype("float32")
CLASSES = "sparse_categorical_crossentropy"


def network(outputs="one", estimator=None):
    """Gated hidden units; class probabilities "a", and "b", a real number."""
    keras.utils.set_random_seed(0)
    image, u = keras.Input((5,)), keras.Input((), name="utilization", optional=True)
    gate = gates.DataIndependent(4, open_probability=0.5, estimator=estimator or gates.Reinforce())
    x = keras.layers.Dense(8, activation="relu")(image)
    x = tnn.layers.ChannelGate(num_groups=4)([x, gate(u)])
    a = keras.layers.Dense(4, activation="softmax", name="a")(x)
    b = keras.layers.Dense(1, name="b")(x)
    made = {"one": a, "list": [a, b], "dict": {"second": b, "first": a}}[outputs]
    return tnn.ThrottledModel([image, u], made)


def rooted(y, y_pred):
    return ops.sqrt(ops.abs(ops.squeeze(y_pred, -1) - ops.reshape(y, (-1,))))


WEIGHTS = RNG.uniform(0.5, 2, 12).astype("float32")
FORMS = {
    "string": ("one", CLASSES, None, NUMBERS, None),
    "object": ("one", keras.losses.SparseCategoricalCrossentropy(), None, NUMBERS, WEIGHTS),
    "by shape": ("one", "crossentropy", None, NUMBERS, None),
    "one hot": ("one", "crossentropy", None, np.eye(4)[NUMBERS], None),
    "list of one": ("one", [CLASSES], None, NUMBERS, None),
    "summed": (
        "one",
        keras.losses.SparseCategoricalCrossentropy(reduction="sum"),
        None,
        NUMBERS,
        WEIGHTS,
    ),
    "dict of one": ("one", {"a": CLASSES}, None, NUMBERS, WEIGHTS),
    "two": ("list", [CLASSES, "mse"], [1.0, 10.0], [NUMBERS, REALS], None),
    "by name": ("list", {"a": CLASSES, "b": "mae"}, {"a": 2.0, "b": 0.5}, [NUMBERS, REALS], None),
    "one of two": ("list", [None, rooted], None, [NUMBERS, REALS], [WEIGHTS, WEIGHTS[::-1]]),
    "dict": (
        "dict",
        {"first": CLASSES, "second": "mse"},
        None,
        {"first": NUMBERS, "second": REALS},
        {"first": WEIGHTS, "second": WEIGHTS[::-1]},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_losses_of_samples_are_what_each_adds_to_the_compiled_loss(form):
    outputs, loss, loss_weights, y, sample_weight = FORMS[form]
    model = network(outputs)
    model.compile("sgd", loss, loss_weights)
    y_pred = model(X)
    whole = model.compute_loss(None, y, y_pred, sample_weight)
    each = ops.convert_to_numpy(SampleLosses(model).of(y, y_pred, sample_weight))
    assert each.shape == (12,)
    np.testing.assert_allclose(np.mean(each), float(whole), rtol=1e-5)  # float32

    def only(i, values):
        return keras.tree.map_structure(lambda v: v[i : i + 1], values)

    weight = None if sample_weight is None else only(3, sample_weight)
    alone = ops.convert_to_numpy(SampleLosses(model).of(only(3, y), only(3, y_pred), weight))
    factor = 12 if form == "summed" else 1  # of a batch of one sample the mean is the sum
    np.testing.assert_allclose(each[3], factor * alone[0], rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")  # an unused output
@pytest.mark.parametrize("form", FORMS)
def test_every_form_trains(form):
    outputs, loss, loss_weights, y, sample_weight = FORMS[form]
    model = network(outputs)
    model.compile(keras.optimizers.SGD(0.5), loss, loss_weights)
    (gate,) = model.gates
    before = ops.convert_to_numpy(gate.pairs)
    towards = tnn.callbacks.BatchActivation(0.5, weight=0.0, weight_decay=0.0)
    model.fit(X, y, sample_weight=sample_weight, verbose=0, callbacks=[towards])
    assert np.any(ops.convert_to_numpy(gate.pairs) != before)


class Critic(Baseline):
    """Learns what samples cost, one number for all."""

    def __init__(self):
        self.cost = keras.Variable(0.0)

    def values(self, costs, decisions):
        return ops.broadcast_to(self.cost.value, ops.shape(costs))

    def loss(self, costs, decisions, sample_weight=None):
        return weighted_mean(ops.square(costs - self.cost), sample_weight)


def test_a_baseline_of_ones_own():
    decision = gates.Decision(
        gates.DataIndependent(1, estimator=gates.Reinforce()),
        ops.array([[1.0], [0.0]]),
        ops.array([[0.25]]),
    )
    costs = ops.array([3.0, 1.0])
    surrogate = tnn.training.gate_objective.score_surrogate
    # log Pr is log 1/4 and log 3/4; the baseline of each is the other's cost.
    left_out = ((3 - 1) * np.log(0.25) + (1 - 3) * np.log(0.75)) / 2
    assert float(surrogate(costs, [decision], LeaveOneOut())) == pytest.approx(left_out)
    learned = (3 * np.log(0.25) + 1 * np.log(0.75)) / 2 + (9 + 1) / 2
    assert float(surrogate(costs, [decision], Critic())) == pytest.approx(learned)


def test_the_baseline_of_the_callback_is_asked():
    class Seen(LeaveOneOut):
        keys = ()

        def values(self, costs, decisions):
            self.keys = [one.key for one in decisions]
            return super().values(costs, decisions)

    model, baseline = network(), Seen()
    model.compile("sgd", CLASSES)
    towards = tnn.callbacks.BatchActivation(0.5, baseline=baseline)
    model.fit(X, NUMBERS, verbose=0, callbacks=[towards])
    assert baseline.keys == [model.gates[0].name]


REPLICAS = """
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import contextlib, keras, numpy as np, keras_tnn as tnn
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x, y = np.random.default_rng(0).normal(size=(8, 4)).astype("float32"), np.arange(8) % 2
for scope in (contextlib.nullcontext(), strategy.scope()):
    keras.utils.set_random_seed(0)
    with scope:
        image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
        # Drawn open for sure: nothing is random.
        gate = tnn.gates.DataIndependent(
            4, open_probability=1 - 1e-7, estimator=tnn.gates.ESTIMATOR)
        h = tnn.layers.ChannelGate(num_groups=4)([keras.layers.Dense(8)(image), gate(u)])
        model = tnn.ThrottledModel([image, u], keras.layers.Dense(2, activation="softmax")(h))
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    before = gate.pairs.numpy()
    towards = tnn.callbacks.BatchActivation(0.0, weight=10.0, weight_decay=0.1)
    loss = model.fit(x, y, batch_size=8, verbose=0, callbacks=[towards]).history["loss"][0]
    print("RESULT", loss, float(np.abs(gate.pairs.numpy() - before).max()))
"""


@pytest.mark.parametrize("estimator", ["StraightThrough()", "Reinforce(1.0)"])
def test_two_replicas_learn_as_one_device(estimator):
    code = textwrap.dedent(REPLICAS).replace("ESTIMATOR", estimator)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split()[1:] for line in done.stdout.splitlines() if "RESULT" in line]
    one, two = np.array(lines, float)
    # The sums of two replicas are rounded in another order. A step that is counted twice is 2.
    np.testing.assert_allclose(two, one, rtol=1e-3)
