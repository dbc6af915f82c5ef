"""One step of `fit` runs, its loss is finite, and every weight that can learn has moved."""

from functools import partial

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from descriptors import CALLBACKS, GATE_CALLBACKS, LAYERS, LOSSES, MODELS, SAMPLES

# One epoch is too short for a schedule, which says so.
SHORT = pytest.mark.filterwarnings("ignore:.*training ends before")


def step(model, samples, targets, loss, callbacks=()):
    """Trains one step at a high rate; returns the weights that did not move."""
    model.compile(keras.optimizers.SGD(0.5), loss)
    before = [weight.numpy() for weight in model.trainable_weights]
    history = model.fit(samples, targets, verbose=0, callbacks=list(callbacks))
    assert np.isfinite(history.history["loss"]).all()
    after = [weight.numpy() for weight in model.trainable_weights]
    pairs = zip(model.trainable_weights, before, after, strict=True)
    return [weight.path for weight, old, new in pairs if np.array_equal(old, new)]


@pytest.mark.parametrize("descriptor", LAYERS, ids=str)
def test_layer(descriptor):
    model = descriptor.model_of_layer(descriptor.make())
    targets = np.ones((SAMPLES, 1), "float32")
    # At u = 1 every group is open, so each weight matters.
    samples = [descriptor.samples(), np.ones(SAMPLES, "float32")]
    assert step(model, samples, targets, "mse") == []


@pytest.mark.parametrize("descriptor", LAYERS, ids=str)
def test_closed_groups_learn_nothing(descriptor):
    model = descriptor.model_of_layer(descriptor.make(min_groups=0))
    samples = [descriptor.samples(), np.full(SAMPLES, 0.01, "float32")]
    stuck = step(model, samples, np.ones((SAMPLES, 1), "float32"), "mse")
    # All groups are closed: what comes before sees no gradient, the last bias does.
    assert "before/kernel" in stuck
    assert "after/bias" not in stuck


@pytest.mark.parametrize("descriptor", MODELS, ids=str)
def test_network_draws_its_own_utilization(descriptor):
    model = descriptor.make()
    targets = np.arange(SAMPLES) % 3
    step(model, descriptor.samples(), targets, "sparse_categorical_crossentropy")


@SHORT
@pytest.mark.parametrize("descriptor", CALLBACKS, ids=str)
def test_callback(descriptor):
    network = MODELS[0]
    callback = descriptor.make()
    targets = np.arange(SAMPLES) % 3
    loss = "sparse_categorical_crossentropy"
    step(network.make(), network.samples(), targets, loss, [callback])


@SHORT
@pytest.mark.parametrize("descriptor", GATE_CALLBACKS, ids=str)
def test_callback_of_learned_gates(descriptor):
    network = MODELS[0]
    gate = partial(tnn.gates.DataIndependent, estimator=tnn.gates.StraightThrough(seed=0))
    model = tnn.throttle(network.make(throttled=False), num_groups=4, gate=gate)
    targets = np.arange(SAMPLES) % 3
    loss = "sparse_categorical_crossentropy"
    stuck = step(model, network.samples(), targets, loss, [descriptor.make()])
    assert not [path for path in stuck if path.endswith("_open/logits")]


@pytest.mark.parametrize("descriptor", CALLBACKS + GATE_CALLBACKS, ids=str)
def test_callback_refuses_a_plain_model(descriptor):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="needs a keras_tnn.ThrottledModel"):
        step(model, np.ones((4, 3)), np.ones((4, 1)), "mse", [descriptor.make()])


@pytest.mark.parametrize("descriptor", LOSSES, ids=str)
def test_loss(descriptor):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    targets = np.array([[5.0, -5.0]] * SAMPLES)
    assert step(model, np.ones((SAMPLES, 3)), targets, descriptor.make()) == []


def test_a_step_that_moves_nothing_is_seen():
    features, u = keras.Input((3,)), keras.Input((), name="utilization", optional=True)
    x = tnn.layers.ThrottleableDense(4, num_groups=2, min_groups=0, name="cut_off")([features, u])
    model = tnn.ThrottledModel([features, u], keras.layers.Dense(1)(x * 0))
    stuck = step(model, np.ones((4, 3), "float32"), np.ones((4, 1)), "mse")
    assert "cut_off/kernel" in stuck
