"""What each callback makes training draw, and that a killed run goes on as if never killed."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import callbacks
from keras_tnn.training import PerBatch, PerSample, Sandwich, UniformDraw


def data():
    rng = np.random.default_rng(0)
    return rng.random((32, 8, 8, 3), dtype="float32"), rng.integers(0, 4, 32)


def network(**kwargs):
    keras.utils.set_random_seed(0)
    model = tnn.models.VGG(
        (8, 8, 3), 4, num_groups=4, filters=((8,), (8,)), dense_units=None, **kwargs
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


ALL = {
    "uniform": lambda: callbacks.UniformUtilization(low=0.1),
    "uniform_batch": lambda: callbacks.UniformUtilization(per="batch"),
    "discrete": lambda: callbacks.DiscreteUtilization((0.25, 1.0), (1, 3)),
    "discrete_batch": lambda: callbacks.DiscreteUtilization((0.25, 1.0), per="batch"),
    "fixed": lambda: callbacks.FixedUtilization(0.5),
    "annealed": lambda: callbacks.AnnealedUtilization(step=0.5),
    "curriculum": lambda: callbacks.UtilizationCurriculum(start=0.5, step=0.5, every=1),
    "sandwich": lambda: callbacks.SandwichRule(random_levels=2),
    "distilled": lambda: callbacks.SandwichRule(distillation=True),
}


@pytest.mark.parametrize("name", ALL)
def test_trains_and_leaves_no_trace(name):
    x, y = data()
    model = network()
    before = model.regime
    logs = model.fit(x, y, epochs=2, verbose=0, callbacks=[ALL[name]()]).history
    assert np.all(np.isfinite(logs["loss"]))
    assert model.regime is before
    assert np.array(model.dial.state).tolist() == [0.0, 1.0]
    model.fit(x, y, verbose=0)


def test_logs_the_range_of_utilization():
    x, y = data()
    model = network()
    for name, low, high in (
        ("uniform", [0.1] * 3, [1.0] * 3),
        ("annealed", [1.0, 0.5, 0.0], [1.0] * 3),
        ("curriculum", [0.5, 1.0, 1.0], [0.5, 1.0, 1.0]),
        ("sandwich", [0.25] * 3, [1.0] * 3),
    ):
        logs = model.fit(x, y, epochs=3, verbose=0, callbacks=[ALL[name]()]).history
        assert (logs["u_low"], logs["u_high"]) == (low, high)


def test_the_progress_bar_and_tensorboard_show_it(tmp_path, capsys):
    import tensorflow as tf

    x, y = data()
    board = keras.callbacks.TensorBoard(tmp_path)
    network().fit(x, y, epochs=2, callbacks=[ALL["annealed"](), board])
    assert "u_low: 0.5000" in capsys.readouterr().out
    (events,) = (tmp_path / "train").iterdir()
    tags = {
        v.tag for e in tf.compat.v1.train.summary_iterator(str(events)) for v in e.summary.value
    }
    assert {"epoch_u_low", "epoch_u_high"} <= tags


def test_fixed_utilization_trains_only_what_is_open():
    x, y = data()
    model = network()
    before = model.get_layer("conv2_1").kernel.numpy()
    model.fit(x, y, verbose=0, callbacks=[callbacks.FixedUtilization(0.5)])
    moved = model.get_layer("conv2_1").kernel.numpy() != before
    assert moved[..., :4].any() and not moved[..., 4:].any()


def test_fixed_full_utilization_is_ordinary_training():
    x, y = data()
    model, vanilla = network(), network(throttled=False)
    vanilla.set_weights(model.get_weights())
    model.fit(x, y, verbose=0, shuffle=False, callbacks=[callbacks.FixedUtilization(1.0)])
    vanilla.fit(x, y, verbose=0, shuffle=False)
    for mine, reference in zip(model.weights, vanilla.weights, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)  # float32 rounding


def test_the_papers_schedules():
    annealed = callbacks.AnnealedUtilization()  # hostetler2019, A.2
    assert [annealed.range_at(e)[0] for e in (0, 1, 10, 20, 29)] == [1.0, 0.95, 0.5, 0.0, 0.0]
    curriculum = callbacks.UtilizationCurriculum()  # liu2022, 4.4: 20 epochs
    expected = [round(0.1 * (1 + e // 2), 1) for e in range(20)]
    assert [curriculum.range_at(e)[0] for e in range(20)] == expected


class Kill(keras.callbacks.Callback):
    """Stops a run in the middle of its third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (2, 1):
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", ALL)
def test_a_killed_run_resumes_as_if_never_killed(name, tmp_path):
    x, y = data()
    settings = {"epochs": 4, "verbose": 0, "shuffle": False, "batch_size": 16}
    whole = network()
    expected = whole.fit(x, y, callbacks=[ALL[name]()], **settings).history
    with pytest.raises(KeyboardInterrupt):
        backup = keras.callbacks.BackupAndRestore(tmp_path)
        network().fit(x, y, callbacks=[ALL[name](), backup, Kill()], **settings)
    resumed = network()
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    logs = resumed.fit(x, y, callbacks=[ALL[name](), backup], **settings).history
    for key in ("u_low", "u_high", "loss"):
        np.testing.assert_allclose(logs[key], expected[key][2:], rtol=1e-6)
    for mine, reference in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)


def test_callbacks_choose_the_regime():
    assert isinstance(ALL["uniform"]().make_regime(), PerSample)
    assert isinstance(ALL["discrete_batch"]().make_regime(), PerBatch)
    assert isinstance(callbacks.SandwichRule(levels=(0.5,)).levels, tuple)
    rule = callbacks.SandwichRule(levels=(0.25, 0.5))
    rule.set_model(network())
    regime = rule.make_regime()
    assert isinstance(regime, Sandwich) and regime.levels == (0.25, 0.5, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: callbacks.UniformUtilization(low=1.5), "`low`. Expected a float"),
        (lambda: callbacks.UniformUtilization(per="epoch"), "Expected 'sample' or 'batch'"),
        (lambda: callbacks.FixedUtilization(0), r"Expected a float in \(0, 1\]"),
        (lambda: callbacks.FixedUtilization("1"), r"Expected a float in \(0, 1\]"),
        (lambda: callbacks.AnnealedUtilization(step=0), "`step`"),
        (lambda: callbacks.AnnealedUtilization(every=0), "`every`. Expected a positive integer"),
        (lambda: callbacks.UtilizationCurriculum(start=2), "`start`"),
        (lambda: callbacks.SandwichRule(levels=(0.5, 0.25)), "levels that rise"),
        (lambda: callbacks.SandwichRule(random_levels=-1), "`random_levels`"),
    ],
)
def test_refuses_invalid_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_refuses_a_plain_model():
    model = network(throttled=False)
    with pytest.raises(ValueError, match="needs a keras_tnn.ThrottledModel. Received: Functional"):
        model.fit(*data(), verbose=0, callbacks=[callbacks.UniformUtilization()])


def test_every_epoch_draws_anew_and_the_same_when_it_is_repeated():
    rule = callbacks.UniformUtilization()
    rule.set_model(network())
    rule.on_train_begin()
    draws = []
    for epoch in (0, 1, 0):
        rule.on_epoch_begin(epoch)
        draws.append(np.array(UniformDraw().sample(rule.model, 8)).tolist())
    assert draws[0] == draws[2] != draws[1]


ANNEALED, RISING = callbacks.AnnealedUtilization, callbacks.UtilizationCurriculum


@pytest.mark.parametrize(
    ("schedule", "epochs", "told"),
    [
        (
            ANNEALED(step=0.05),
            1,
            "at least epochs=20 with step=0.05, every=1. Received",
        ),
        (
            ANNEALED(step=0.05),
            5,
            "at least epochs=20 .* or step=0.238 with epochs=5",
        ),
        (ANNEALED(step=1.0), 1, "at least epochs=2 with step=1"),
        (
            RISING(0.1, 0.1, 2),
            10,
            "epochs=19 .* or step=0.225 with epochs=10",
        ),
        (
            RISING(0.5, 0.5, 1),
            1,
            "u comes up to 1. Expected at least epochs=2",
        ),
    ],
)
def test_a_run_that_is_too_short_is_told(schedule, epochs, told):
    schedule.set_model(network())
    schedule.set_params({"epochs": epochs})
    with pytest.warns(UserWarning, match=told):
        schedule.on_train_begin()


@pytest.mark.parametrize(
    ("schedule", "epochs"),
    [
        (ANNEALED(step=0.05), 20),  # t is 0.05 in the last
        (ANNEALED(step=0.238), 5),  # the step that the warning named
        (ANNEALED(start=0.5, low=0.5), 1),
        (RISING(0.1, 0.1, 2), 19),
        (RISING(0.1, 0.225, 2), 10),
        (RISING(1.0), 1),
    ],
)
def test_a_run_that_is_long_enough(schedule, epochs):
    schedule.set_model(network())
    schedule.set_params({"epochs": epochs})
    schedule.on_train_begin()  # warnings are errors here
    assert schedule.range_at(epochs - 1)[0] == pytest.approx(schedule.range_at(99)[0], abs=0.0501)
