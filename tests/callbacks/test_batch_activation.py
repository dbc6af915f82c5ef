"""`BatchActivation`: schedule, logs, what it leaves behind, resuming, two phases."""

from functools import partial

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import gates, losses
from keras_tnn.callbacks import BatchActivation, UniformUtilization


def data(samples=32):
    rng = np.random.default_rng(0)
    return rng.random((samples, 8, 8, 3), dtype="float32"), rng.integers(0, 4, samples)


def plain():
    keras.utils.set_random_seed(0)
    arguments = {"num_groups": 4, "filters": ((8,), (8,)), "dense_units": None}
    return tnn.models.VGG((8, 8, 3), 4, **arguments, throttled=False)


def network(gate=gates.DataIndependent, optimizer="sgd"):
    model = tnn.throttle(plain(), num_groups=4, gate=gate)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def test_target_falls_by_steps():
    schedule = BatchActivation(0.5, start=0.7, step=0.1, every=2)
    assert [schedule.target_at(e) for e in range(6)] == [0.7, 0.7, 0.6, 0.6, 0.5, 0.5]
    assert BatchActivation(0.5).target_at(0) == 0.5


def test_logs_and_leaves_no_trace():
    model = network()
    towards = BatchActivation(0.5, start=0.6, step=0.1, every=1)
    logs = model.fit(*data(), epochs=2, verbose=0, callbacks=[towards]).history
    assert {"loss", "activation_rate", "polarization", "target_rate", "gate_rates"} == set(logs)
    np.testing.assert_allclose(logs["target_rate"], [0.6, 0.5], rtol=1e-6)
    rates = logs["gate_rates"][1]
    assert rates.keys() == {gate.name for gate in model.learned_gates}
    mean = np.mean(np.concatenate(list(rates.values())))
    assert mean == pytest.approx(logs["activation_rate"][1], rel=1e-5)
    assert model.objective is None


def test_rates_are_those_of_training_with_validation_too():
    model = network()
    for gate in model.learned_gates:
        gate.pairs.assign(np.zeros(gate.pairs.shape))  # p = 1/2: closed by the threshold
    model.optimizer.learning_rate.assign(0.0)
    history = model.fit(
        *data(), verbose=0, validation_data=data(), callbacks=[BatchActivation(0.5)]
    ).history
    assert history["val_activation_rate"] == [0.0]
    rates = np.concatenate(list(history["gate_rates"][0].values()))
    assert 0.3 < rates.mean() < 0.7
    assert rates.mean() == pytest.approx(history["activation_rate"][0], rel=1e-5)


class Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("gate", [gates.DataIndependent, gates.DataDependent])
def test_killed_run_goes_on_as_if_never_killed(gate, tmp_path):
    x, y = data()

    def train(*more):
        model = network(gate, keras.optimizers.SGD(0.05, momentum=0.9))
        towards = BatchActivation(0.4, start=0.7, step=0.1, every=1, moving="mean", weight=5.0)
        model.fit(x, y, epochs=4, verbose=0, shuffle=False, callbacks=[towards, *more])
        return [w.numpy() for w in model.weights]

    expected = train()
    backup = partial(keras.callbacks.BackupAndRestore, tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        train(backup(), Killed())
    for resumed, once in zip(train(backup()), expected, strict=True):
        np.testing.assert_array_equal(resumed, once)


@pytest.mark.parametrize("moving", ["mean", "exponential"])
def test_moving_target_starts_anew_each_epoch(moving):
    model = network()
    towards = BatchActivation(0.5, moving=moving)
    logs = model.fit(*data(), batch_size=8, epochs=2, verbose=0, callbacks=[towards]).history
    rate, target = logs["activation_rate"], logs["target_rate"]
    if moving == "mean":
        # The start counts as one batch beside the four: (0.5 + 4 rate) / 5.
        np.testing.assert_allclose(target, (0.5 + 4 * np.array(rate)) / 5, rtol=1e-5)
    else:
        assert all(0.5 < t < r for t, r in zip(target, rate, strict=True))


@pytest.mark.parametrize(
    ("complexity", "loss"),
    [
        ("gates", losses.PerGateActivation()),
        ("macro", losses.HingeComplexity(2)),
        ("macs", losses.BatchActivationLoss()),
        ("energy", losses.ConstQuad()),
        (losses.MacsShare, losses.DistanceComplexity(1)),
    ],
)
def test_complexities_and_losses_close_gates(complexity, loss):
    model = network(optimizer=keras.optimizers.Adam(0.1))
    towards = BatchActivation(0.0, loss, complexity, weight=10.0)
    rates = model.fit(*data(), 4, epochs=4, verbose=0, callbacks=[towards]).history[
        "activation_rate"
    ]
    assert rates[-1] < rates[0] - 0.3


@pytest.mark.parametrize("estimator", [gates.Concrete, gates.Reinforce])
def test_blind_gates_learn_the_dial_in_two_phases(estimator):
    first = tnn.throttle(plain(), num_groups=4, gate=gates.Independent)
    first.compile("sgd", "sparse_categorical_crossentropy")
    first.fit(*data(), verbose=0, callbacks=[UniformUtilization()])
    gate = partial(gates.Blind, estimator=estimator())
    model = tnn.throttle(tnn.materialize(first, 1.0), num_groups=4, gate=gate)
    model.freeze_data_path()
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    data_path = [w.numpy() for w in model.non_trainable_weights]
    towards = BatchActivation("utilization", weight=10.0)
    model.fit(
        *data(), batch_size=8, epochs=40, verbose=0, callbacks=[UniformUtilization(), towards]
    )
    for before, after in zip(data_path, model.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(after, before)
    (blind,) = model.learned_gates
    opened = [blind.pattern(u)[blind.free].mean() for u in (0.1, 0.5, 0.9)]
    assert opened[0] < 0.35 and opened[2] > 0.65, opened
    macs = [tnn.count_macs(tnn.materialize(model, u)) for u in (0.1, 0.9)]
    assert macs[0] < macs[1]


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"`target`. Expected a float in \[0, 1\]"):
        BatchActivation(1.5)
    with pytest.raises(ValueError, match=r"`target`. Expected a float in \[0, 1\]"):
        BatchActivation("u")
    with pytest.raises(ValueError, match=r"`start`. Expected a float in \[0, 1\]"):
        BatchActivation(0.5, start=-1)
    with pytest.raises(ValueError, match="`every`. Expected a positive integer"):
        BatchActivation(0.5, every=0)
    with pytest.raises(ValueError, match="`complexity`. Expected one of"):
        BatchActivation(0.5, complexity="flops")
    with pytest.raises(ValueError, match="`moving`. Expected None, 'mean'"):
        BatchActivation(0.5, moving="median")
    with pytest.raises(ValueError, match="`weight`. Expected a float, 0 or more"):
        BatchActivation(0.5, weight=-1.0)
    model = tnn.throttle(plain(), num_groups=4)
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="needs a keras_tnn.ThrottledModel with learned gates"):
        model.fit(*data(), verbose=0, callbacks=[BatchActivation(0.5)])
