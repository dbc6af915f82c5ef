"""A throttled model with learned gates: what they add to its loss, metrics and inference."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import gates, layers, losses
from keras_tnn.training import GateObjective, LeaveOneOut, PerBatch, Sandwich
from keras_tnn.training.gate_objective import score_surrogate
from keras_tnn.training.sample_losses import SampleLosses


def set_probabilities(gate, open_groups):
    """Makes a data-independent gate as good as sure: p is 1 or 0 within 1e-13."""
    logits = np.where(np.asarray(open_groups), 30.0, -30.0)[gate.free]
    gate.pairs.assign(np.stack([-logits / 2, logits / 2], axis=-1))


def network(gate=None, groups=4):
    """Four inputs, eight gated hidden units, two outputs."""
    keras.utils.set_random_seed(0)
    image, u = keras.Input((4,), name="image"), keras.Input((), name="utilization", optional=True)
    gate = gate or gates.DataIndependent(groups, min_groups=1, name="hidden_open")
    x = keras.layers.Dense(8, activation="relu", name="hidden")(image)
    control = gate(u, features=image) if gate.data_dependent else gate(u)
    x = layers.ChannelGate(num_groups=gate.num_groups, name="hidden_gate")([x, control])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2, name="logits")(x))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def data(samples=16):
    rng = np.random.default_rng(0)
    return rng.random((samples, 4), dtype="float32"), rng.random((samples, 2), dtype="float32")


def test_lists_the_gates_that_are_obeyed():
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    node = gates.DataIndependent(4, name="node")(u)
    x = layers.ThrottleableDense(8, num_groups=4)([image, node])  # its own gate is idle
    held = gates.DataIndependent(2, name="held")
    x = layers.ThrottleableDense(8, gate=held)([x, u])
    x = layers.ThrottleableDense(8, num_groups=4, name="nested")([x, u])
    model = tnn.ThrottledModel([image, u], x)
    assert [gate.name for gate in model.learned_gates] == ["node", "held"]
    assert model.gates[-1] is model.get_layer("nested").gate and len(model.gates) == 3
    assert "held/logits" in " ".join(weight.path for weight in model.trainable_weights)


def test_rates_of_evaluation_are_counted_over_the_groups_that_may_close():
    model = network()
    set_probabilities(model.learned_gates[0], [1, 1, 0, 0])
    found = model.evaluate(*data(), verbose=0, return_dict=True)
    # Group 0 is always open and does not count: one of three is open, all are polarized.
    assert found["activation_rate"] == pytest.approx(1 / 3) and found["polarization"] == 1
    rates = model.activity.rates()
    assert rates.keys() == {"hidden_open"} and rates["hidden_open"].tolist() == [1, 0, 0]


def test_polarization_is_of_mean_probabilities():
    model = network()
    pairs = np.log([[0.04, 0.96], [0.06, 0.94], [0.96, 0.04]])  # p = 0.96, 0.94, 0.04
    model.learned_gates[0].pairs.assign(pairs)
    found = model.evaluate(*data(), verbose=0, return_dict=True)
    assert found["polarization"] == pytest.approx(2 / 3)
    assert found["activation_rate"] == pytest.approx(2 / 3)  # above the threshold of 1/2


def test_a_model_without_learned_gates_has_no_such_metrics():
    model = tnn.models.VGG((8, 8, 3), 4, num_groups=2, filters=((4,),), dense_units=None)
    model.compile("sgd", "sparse_categorical_crossentropy")
    found = model.evaluate(np.ones((2, 8, 8, 3)), np.zeros(2), verbose=0, return_dict=True)
    assert found.keys() == {"loss"}


def test_loss_is_that_of_the_paper():
    model = network()
    gate = model.learned_gates[0]
    set_probabilities(gate, [1, 1, 1, 0])  # Q = 2/3, for sure
    model.objective = GateObjective(
        losses.BatchActivationLoss(), losses.GateActivation(model), weight=5.0, weight_decay=0.3
    )
    model.target.turn([0.5, 0.0])
    x, y = data()
    task = np.mean((np.array(model([x, np.ones(16, "float32")])) - y) ** 2)
    decay = 0.3 / 3 * np.sum(gate.pairs.numpy() ** 2) / 2
    expected = task + 5 * (0.5 - 2 / 3) ** 2 + decay
    model.optimizer.learning_rate.assign(0.0)
    loss = model.fit(x, y, batch_size=16, verbose=0).history["loss"][0]
    assert loss == pytest.approx(expected, rel=1e-5)  # float32


def test_gates_reach_their_target():
    model = network(gates.DataIndependent(8, name="hidden_open"))
    model.objective = GateObjective(
        losses.BatchActivationLoss(), losses.GateActivation(model), weight=100.0, weight_decay=0.0
    )
    model.target.turn([0.25, 0.0])
    x, y = data(64)
    rates = model.fit(x, y, epochs=60, batch_size=16, verbose=0).history["activation_rate"]
    assert rates[0] > 0.6
    # The mean of 64 x 8 draws has a standard deviation of at most 0.022.
    assert rates[-1] == pytest.approx(0.25, abs=0.1)


def test_moving_target_follows_the_batches():
    model = network()
    set_probabilities(model.learned_gates[0], [1, 1, 0, 0])
    seen = []

    def update(target, rate, batches):
        seen.append(batches)
        return target + (rate - target) / 2

    objective = GateObjective(
        losses.BatchActivationLoss(), losses.GateActivation(model), 0.0, 0.0, update=update
    )
    model.objective = objective
    model.target.turn([1.0, 0.0])
    x, y = data()
    model.fit(x, y, batch_size=4, verbose=0)
    # Four times half of the way from 1 to 1/3.
    expected = 1 / 3 + (2 / 3) / 2**4
    np.testing.assert_allclose(np.array(model.target.state), [expected, 4], rtol=1e-6)


def test_score_surrogate_by_hand():
    gate = gates.DataIndependent(1, estimator=gates.Reinforce())
    probabilities = np.array([[0.25]], "float32")
    decision = gates.Decision(gate, np.array([[1.0], [0.0]], "float32"), probabilities)
    # J = 3 and 1; the baseline of each is the other's cost; log Pr is log 1/4 and log 3/4.
    found = float(score_surrogate(keras.ops.array([3.0, 1.0]), [decision], LeaveOneOut()))
    assert found == pytest.approx(((3 - 1) * np.log(0.25) + (1 - 3) * np.log(0.75)) / 2)


@pytest.mark.parametrize(
    "loss", ["sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy()]
)
def test_losses_of_samples(loss):
    model = network()
    model.compile("sgd", loss)
    probabilities = np.array([[0.2, 0.8], [0.5, 0.5]], "float32")
    found = SampleLosses(model).of(np.array([1, 0]), probabilities)
    np.testing.assert_allclose(found, -np.log([0.8, 0.5]), rtol=1e-6)


def test_gating_by_threshold_and_always_on():
    model = network()
    x, _ = data()
    model.learned_gates[0].pairs.assign(np.log([[0.1, 0.9], [0.4, 0.6], [0.7, 0.3]]))

    def with_pattern(pattern):
        plain = tnn.materialize(model, gates={"hidden_open": pattern})
        return plain.predict(x, verbose=0)

    for gating, pattern in (
        (None, [1, 1, 1, 0]),
        (0.8, [1, 1, 0, 0]),
        (gates.Threshold(0.2), [1, 1, 1, 1]),
        (0.95, [1, 0, 0, 0]),
        (gates.AlwaysOn(), [1, 1, 1, 1]),
    ):
        found = model.predict(x, verbose=0, gating=gating)
        # The cut network sums fewer terms in another order (float32).
        np.testing.assert_allclose(found, with_pattern(pattern), atol=1e-6)


def test_stochastic_gating_opens_as_often_as_probable():
    model = network()
    model.learned_gates[0].pairs.assign(np.log([[0.1, 0.9], [0.4, 0.6], [0.7, 0.3]]))
    x, y = data(4000)
    model.evaluate(x, y, batch_size=500, verbose=0, gating=gates.Stochastic())
    # Five standard deviations of a mean of 4000 draws are at most 0.04.
    np.testing.assert_allclose(model.activity.rates()["hidden_open"], [0.9, 0.6, 0.3], atol=0.04)


def test_ensemble_is_the_mean_of_runs():
    model = network()
    model.learned_gates[0].pairs.assign(np.log([[0.5, 0.5]] * 3))
    x = np.repeat(data(1)[0], 2000, axis=0)
    one = model.predict(x, verbose=0, batch_size=500, gating=gates.Stochastic())
    many = model.predict(x, verbose=0, batch_size=500, gating=gates.Ensemble(9))
    np.testing.assert_allclose(many.mean(axis=0), one.mean(axis=0), atol=0.05)
    # Nine independent runs: a third of the spread.
    np.testing.assert_allclose(many.std(axis=0) / one.std(axis=0), 1 / 3, rtol=0.15)
    again = model.predict(x, verbose=0, batch_size=500)
    assert len(np.unique(again, axis=0)) == 1, "the threshold is back"


def test_gating_ends_also_after_an_error():
    model = network()
    before = np.array(model.learned_gates[0].inference.state)
    with pytest.raises(ZeroDivisionError), model.gating(gates.Ensemble(3)):
        assert model.ensemble_runs == 3
        1 / 0  # noqa: B018
    assert model.ensemble_runs == 1
    np.testing.assert_array_equal(model.learned_gates[0].inference.state, before)


def test_gates_behind_an_image_layer_are_not_drawn_at_inference():
    """`Resizing` takes training=True by default, and Keras hands that on to the layers behind."""
    image, u = keras.Input((4, 4, 3)), keras.Input((), name="utilization", optional=True)
    x = keras.layers.Flatten()(keras.layers.Resizing(2, 2)(image))
    x = layers.ChannelGate(num_groups=4)([x, gates.DataIndependent(4, open_probability=0.6)(u)])
    model = tnn.ThrottledModel([image, u], x)
    images = np.ones((50, 4, 4, 3), "float32")
    assert len(np.unique(np.array(model(images)), axis=0)) == 1
    assert len(np.unique(np.array(model(images, training=True)), axis=0)) > 1


def test_refuses_invalid_gating():
    model, (x, y) = network(), data()
    with pytest.raises(ValueError, match=r"`tau`. Expected a float in \(0, 1\)"):
        model.predict(x, verbose=0, gating=1.0)
    with pytest.raises(ValueError, match="`gating`. Expected a threshold"):
        model.evaluate(x, y, verbose=0, gating="stochastic")
    with pytest.raises(ValueError, match="`runs`. Expected a positive integer"):
        gates.Ensemble(0)
    nested = tnn.models.VGG((8, 8, 3), 4, num_groups=2, filters=((4,),), dense_units=None)
    with pytest.raises(ValueError, match="has no learned gate"):
        nested.predict(np.ones((1, 8, 8, 3)), verbose=0, gating=0.5)


def test_optimizers_decay_leaves_gates_out():
    model = network()
    model.get_layer("logits").kernel.assign(np.zeros((8, 2)))  # gates do not matter
    model.get_layer("logits").trainable = False
    model.compile(keras.optimizers.SGD(0.1, weight_decay=0.5), "mse")
    before = [w.numpy() for w in model.get_layer("hidden").weights[:1] + [gate_weights(model)]]
    model.fit(*data(), verbose=0)
    after = [w.numpy() for w in model.get_layer("hidden").weights[:1] + [gate_weights(model)]]
    np.testing.assert_allclose(after[0], before[0] * (1 - 0.1 * 0.5), rtol=1e-5)
    np.testing.assert_array_equal(after[1], before[1])


def gate_weights(model):
    return model.learned_gates[0].pairs


@pytest.mark.parametrize("held", [False, True], ids=["node", "held by a layer"])
def test_frozen_data_path_leaves_gates_to_learn(held):
    keras.utils.set_random_seed(0)
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    gate = gates.DataIndependent(4, name="gate")
    layer = layers.ThrottleableDense(8, gate=gate if held else None, num_groups=4)
    x = layer([image, u if held else gate(u)])
    x = keras.layers.BatchNormalization()(x)
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(x))
    model.freeze_data_path()
    model.compile("sgd", "mse")
    assert [w.path.split("/")[-1] for w in model.trainable_weights] == ["logits"]
    before = {w.path: w.numpy() for w in model.weights}
    model.fit(*data(), verbose=0)
    changed = {w.path for w in model.weights if not np.array_equal(w.numpy(), before[w.path])}
    assert {path.split("/")[-1] for path in changed} == {"logits"}
    model.freeze_data_path(False)
    assert len(model.trainable_weights) == 7  # 2 gamma and beta, 4 of dense layers, the logits


@pytest.mark.parametrize("kind", [gates.DataIndependent, gates.DataDependent])
def test_frozen_gates_decide_in_training_as_at_inference(kind):
    gate = kind(8, name="hidden_open", open_probability=0.6)  # some draws would be zero
    model = network(gate)
    model.freeze_gates()
    model.compile("sgd", "mse")
    x = data(8)[0]
    for threshold, rate in ((0.5, 1.0), (0.99, 0.0)):  # all groups or none, whatever is drawn
        with model.gating(threshold), gates.record_decisions() as decisions:
            model([x, np.ones(8, "float32")], training=True)
        assert np.asarray(decisions[0].values).mean() == rate
    before = [w.numpy() for w in gate.weights]
    history = model.fit(*data(9), batch_size=4, verbose=0).history  # a batch of one is allowed
    assert history["activation_rate"] == [1.0]
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, gate.weights, strict=True))
    model.freeze_gates(False)
    model.compile("sgd", "mse")
    rates = [model.fit(*data(64), verbose=0).history["activation_rate"][0] for _ in range(3)]
    assert min(rates) < 1


def test_thawing_leaves_the_statistics_of_a_held_gate_alone():
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    layer = layers.ThrottleableDense(8, gate=gates.DataDependent(4, min_groups=1))
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(layer([image, u])))
    before = [weight.path for weight in model.trainable_weights]
    model.freeze_data_path()
    assert not [w.path for w in model.trainable_weights if w.path.endswith("dense/kernel")]
    model.freeze_data_path(False)
    assert [weight.path for weight in model.trainable_weights] == before
    assert not any("moving" in path for path in before)


def test_training_on_active_channels_alone_is_refused():
    model = network()
    for regime in (PerBatch(), Sandwich((0.5, 1.0))):
        with pytest.raises(ValueError, match="its gates are learned"):
            model.regime = regime


def test_batch_of_one_is_refused_for_data_dependent_gates():
    model = network(gates.DataDependent(4, name="hidden_open"))
    for samples, size in ((8, 1), (9, 4), (33, None)):
        with pytest.raises(ValueError, match="leaves a batch of one"):
            model.fit(*data(samples), batch_size=size, verbose=0)
    model.fit(*data(10), batch_size=4, verbose=0)
    assert model.predict(data(1)[0], verbose=0).shape == (1, 2)


def test_each_call_of_a_gate_has_rates_of_its_own():
    keras.utils.set_random_seed(0)
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    gate = gates.DataDependent(4, name="twice", open_probability=0.5)
    x = layers.ChannelGate(num_groups=4)([keras.layers.Dense(8)(image), gate(u, image)])
    x = layers.ChannelGate(num_groups=4)([keras.layers.Dense(8)(x), gate(u, -image)])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(x))
    gate.pairs.kernel.assign(np.random.default_rng(0).normal(size=gate.pairs.kernel.shape))
    model.compile("sgd", "mse")
    x, y = data()
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    rates = model.activity.rates()
    assert list(rates) == ["twice", "twice/2"]
    with gates.record_decisions() as decisions:
        model(x)
    for rate, decision in zip(rates.values(), decisions, strict=True):
        np.testing.assert_allclose(rate, np.mean(decision.values, axis=0), rtol=1e-6)
    assert np.any(rates["twice"] != rates["twice/2"])
    assert found["activation_rate"] == pytest.approx(np.mean(list(rates.values())))
    callback = tnn.callbacks.BatchActivation(0.5)
    history = model.fit(x, y, verbose=0, callbacks=[callback]).history
    assert list(history["gate_rates"][0]) == ["twice", "twice/2"]
