"""Training on slices against the same step on the cut network."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import layers, training


def data():
    rng = np.random.default_rng(0)
    return rng.random((16, 8, 8, 3), dtype="float32"), rng.integers(0, 4, 16)


def network(order=None):
    gate = (
        None
        if order is None
        else lambda n, min_groups: tnn.gates.Nested(n, min_groups, order=order)
    )
    model = tnn.models.VGG(
        (8, 8, 3), 4, num_groups=4, filters=((8,), (8,)), dense_units=16, gate=gate
    )
    compile_(model)
    return model


def compile_(model):
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")


@pytest.mark.parametrize("order", [None, [2, 0, 3, 1]])
def test_a_step_at_one_level_is_the_step_of_the_cut_network(order):
    x, y = data()
    model = network(order)
    small = tnn.materialize(model, 0.5)
    compile_(small)
    model.regime = training.PerBatch(training.DiscreteDraw((0.5,)))
    for m in (model, small):
        m.fit(x, y, batch_size=16, epochs=2, verbose=0)
    for mine, reference in zip(tnn.materialize(model, 0.5).weights, small.weights, strict=True):
        # The same sums; float32 and two steps at rate 0.1.
        np.testing.assert_allclose(mine, reference, atol=1e-5, err_msg=mine.path)


def test_what_is_closed_does_not_move():
    x, y = data()
    model = network()
    before = model.get_layer("conv2_1").kernel.numpy()
    model.regime = training.PerBatch(training.DiscreteDraw((0.5,)))
    model.fit(x, y, verbose=0)
    moved = model.get_layer("conv2_1").kernel.numpy() != before
    assert moved[:, :, :4, :4].any()
    assert not moved[:, :, 4:].any() and not moved[..., 4:].any()


def test_sandwich_gradient_is_the_mean_over_its_levels():
    x, y = data()
    model = network()
    start = model.get_weights()
    model.regime = training.Sandwich((0.25, 0.5, 1.0), random_levels=1)  # 0.5 is always drawn
    model.fit(x, y, batch_size=16, verbose=0)
    together = model.get_layer("conv1_1").kernel - start[0]
    steps = []
    for u in (0.25, 0.5, 1.0):
        model.set_weights(start)
        compile_(model)
        model.regime = training.PerBatch(training.DiscreteDraw((u,)))
        model.fit(x, y, batch_size=16, verbose=0)
        steps.append(model.get_layer("conv1_1").kernel - start[0])
    np.testing.assert_allclose(together, np.mean(steps, axis=0), atol=1e-6)  # float32 rounding


def test_sandwich_keeps_the_statistics_of_the_full_level():
    x, y = data()
    model, vanilla = (
        network(),
        tnn.models.VGG((8, 8, 3), 4, filters=((8,), (8,)), dense_units=16, throttled=False),
    )
    vanilla.set_weights(model.get_weights())
    vanilla(x, training=True)
    model.regime = training.Sandwich((0.25, 1.0))
    model.fit(x, y, batch_size=16, verbose=0)
    # The first norm sees the same inputs in both.
    np.testing.assert_allclose(
        model.get_layer("conv1_1_norm").moving_mean,
        vanilla.get_layer("conv1_1_norm").moving_mean,
        atol=1e-6,
    )


def test_one_utilization_a_batch_covers_every_network():
    model = network()
    model.regime = training.PerBatch()
    drawn = [model.regime.choose()[0] for _ in range(4000)]
    opened = [int(tnn.gates.Nested(4).pattern(u).sum()) for u in drawn]
    # Five intervals of equal length; 5 standard deviations of a share are 0.032.
    np.testing.assert_allclose(np.bincount(opened) / 4000, 0.2, atol=0.032)
    model.dial.turn([0.45, 0.55])  # opens two groups of four
    assert {int(tnn.gates.Nested(4).pattern(model.regime.choose()[0]).sum()) for _ in "123"} == {2}


def test_dropout_draws_anew_in_every_step():
    image, u = keras.Input((64,)), keras.Input((), name="utilization", optional=True)
    x = layers.ThrottleableDense(64, num_groups=2, kernel_initializer="identity")([image, u])
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    model = tnn.ThrottledModel([image, u], x)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.regime = training.PerBatch(training.DiscreteDraw((1.0,)))
    ones = np.ones((1, 64), "float32")
    losses = {float(model.train_on_batch(ones, np.zeros((1, 64)))) for _ in range(3)}
    assert len(losses) == 3


def test_levels_are_not_chosen_in_a_training_loop_of_the_users_own():
    model = network()
    model.regime = training.PerBatch()
    with pytest.raises(ValueError, match="Expected `fit` or `train_on_batch`"):
        model(data()[0], training=True)


def test_random_levels_are_drawn_once_a_step_and_alike():
    levels = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)
    rule = training.Sandwich(levels, random_levels=3)
    choices = {rule.choose() for _ in range(200)}
    assert {choice[:2] for choice in choices} == {(1.0, 0.1)}
    drawn = [level for choice in choices for level in choice[2:]]
    assert sorted(drawn) == sorted(3 * levels[1:-1]) or sorted(drawn) == sorted(levels[1:-1])
    assert all(len(set(choice)) == 5 for choice in choices)


def test_a_step_compiles_only_the_levels_that_it_runs():
    model = network()
    rule = training.Sandwich((0.25, 0.5, 0.75, 1.0))
    model.regime = rule
    model.fit(*data(), batch_size=16, verbose=0)
    assert len(rule.paths.paths) == 3


def test_refuses_constants_behind_a_gate():
    image, u = keras.Input((8, 8, 3)), keras.Input((), name="utilization", optional=True)
    x = layers.ThrottleableConv2D(8, 3, num_groups=4)([image, u])
    x = keras.layers.BatchNormalization(beta_initializer="ones")(x)
    x = keras.layers.Conv2D(4, 1)(x)
    model = tnn.ThrottledModel([image, u], keras.layers.Flatten()(x))
    with pytest.raises(ValueError, match="Put the gate after the normalisation"):
        model.regime = training.PerBatch()
