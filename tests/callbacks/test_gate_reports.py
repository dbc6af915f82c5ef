"""Callbacks that report on learned gates, steady their statistics, or turn their estimator."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_tnn as tnn
from keras_tnn import callbacks, gates, layers


def network(gate=None):
    """Four inputs, eight gated hidden units behind a batch norm, two outputs."""
    keras.utils.set_random_seed(0)
    image, u = keras.Input((4,), name="image"), keras.Input((), name="utilization", optional=True)
    gate = gate or gates.DataIndependent(4, min_groups=1, name="hidden_open")
    x = keras.layers.Dense(8, name="hidden")(image)
    x = keras.layers.BatchNormalization(name="first")(x)
    x = layers.ChannelGate(num_groups=gate.num_groups, name="hidden_gate")([x, gate(u)])
    x = keras.layers.Dense(3, name="mix")(x)
    x = keras.layers.BatchNormalization(name="second")(x)
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2, name="logits")(x))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def data(samples=24):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 4)).astype("float32"), rng.random((samples, 2), "float32")


def summaries(folder) -> dict:
    """All values of the event files in a folder: (tag, step) to tensor."""
    return {
        (value.tag, event.step): value
        for file in folder.iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }


def tensor(value) -> np.ndarray:
    return tf.make_ndarray(value.tensor)


@pytest.fixture
def logged(tmp_path):
    """Two epochs with validation: the history, and what was written."""
    reports = [callbacks.BatchActivation(0.5), callbacks.GateSummary(tmp_path)]
    settings = {"epochs": 2, "batch_size": 8, "verbose": 0, "validation_data": data()}
    history = network().fit(*data(), callbacks=reports, **settings)
    return history.history["gate_rates"], summaries(tmp_path)


def test_summary_writes_the_rates_of_training(logged):
    rates, written = logged
    for epoch in (0, 1):
        mean = tensor(written["gates/hidden_open", epoch])
        assert mean == pytest.approx(rates[epoch]["hidden_open"].mean())
    # In validation all gates are open (p = 0.9): these are the rates of 24 draws each.
    assert rates[0]["hidden_open"].mean() < 1


def test_summary_writes_a_histogram_over_groups(logged):
    rates, written = logged
    buckets = tensor(written["gates/activation_rates", 1])  # left, right, count
    assert buckets[:, 2].sum() == 3  # group 0 is always open
    assert buckets[0, 0] == pytest.approx(rates[1]["hidden_open"].min())
    assert buckets[-1, 1] == pytest.approx(rates[1]["hidden_open"].max())


def test_summary_draws_the_timeline(logged):
    rates, written = logged
    assert ("gates/timeline", 0) not in written
    width, height, png = tensor(written["gates/timeline", 1])
    assert (int(width), int(height)) == (2 * 8, 3 * 8)  # two epochs, three groups
    picture = tf.io.decode_png(png).numpy()[4::8, 4::8, 0] / 255
    expected = np.stack([epoch["hidden_open"] for epoch in rates], axis=1)
    np.testing.assert_allclose(picture, expected, atol=1 / 255)  # eight bits


def test_summary_goes_on_in_another_fit_with_the_same_history(tmp_path):
    model, history = network(), keras.callbacks.History()
    summary = callbacks.GateSummary(tmp_path)
    reports = [callbacks.BatchActivation(0.5), summary, history]
    for epoch in (0, 1):
        model.fit(*data(), epochs=epoch + 1, initial_epoch=epoch, verbose=0, callbacks=reports)
    assert len(summary.epochs) == 1
    assert {("gates/hidden_open", 0), ("gates/hidden_open", 1)} <= summaries(tmp_path).keys()
    with pytest.raises(ValueError, match="finds no rates of gates for this epoch"):
        model.fit(*data(), verbose=0, callbacks=[summary, history])  # those there are are old


@pytest.mark.parametrize("order", [[1], [1, 0]])
def test_summary_needs_the_rates_before_it(order, tmp_path):
    both = [callbacks.BatchActivation(0.5), callbacks.GateSummary(tmp_path)]
    with pytest.raises(ValueError, match="BatchActivation, or SkippingRatio, before it"):
        network().fit(*data(), verbose=0, callbacks=[both[i] for i in order])


def test_summary_needs_learned_gates(tmp_path):
    with pytest.raises(ValueError, match="GateSummary needs .* with learned gates"):
        network(gates.Nested(4)).fit(
            *data(), verbose=0, callbacks=[callbacks.GateSummary(tmp_path)]
        )
    assert not [*tmp_path.iterdir()]


def test_summary_without_tensorflow(tmp_path, monkeypatch):
    # None in sys.modules is Python's own way to make an import fail.
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"pip install keras-tnn\[train\]"):
        callbacks.GateSummary(tmp_path).on_train_begin()


def weights_of(model) -> dict[str, np.ndarray]:
    return {weight.path: np.array(weight) for weight in model.weights}


def test_reestimation_sets_the_statistics_of_the_gated_network_and_nothing_else():
    model = network()
    (gate,) = model.learned_gates
    gate.pairs.assign([[-9.0, 9.0], [9.0, -9.0], [-9.0, 9.0]])  # the third group is closed
    x, y = data(30)
    model.optimizer.learning_rate.assign(0.0)
    before = weights_of(model)
    model.fit(x, y, verbose=0, batch_size=30, callbacks=[callbacks.BatchNormReestimation(x, 2, 12)])
    seen = x[:24].astype("float64")  # two batches of twelve
    kernel, bias = (np.array(w, "float64") for w in model.get_layer("hidden").weights)
    hidden = seen @ kernel + bias
    first, second = model.get_layer("first"), model.get_layer("second")
    # float32, and variances from those within and between the batches
    np.testing.assert_allclose(first.moving_mean, hidden.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(first.moving_variance, hidden.var(0), rtol=1e-4)
    each = hidden.reshape(2, 12, 8)  # a batch is normalised by its own statistics
    norm = (each - each.mean(1, keepdims=True)) / np.sqrt(each.var(1, keepdims=True) + 1e-3)
    norm[..., 4:6] = 0
    kernel, bias = (np.array(w, "float64") for w in model.get_layer("mix").weights)
    mixed = norm.reshape(24, 8) @ kernel + bias
    np.testing.assert_allclose(second.moving_mean, mixed.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(second.moving_variance, mixed.var(0), rtol=1e-4)
    moved = {path for path, old in before.items() if np.any(weights_of(model)[path] != old)}
    names = ("moving_mean", "moving_variance")
    assert moved == {f"{layer}/{name}" for layer in ("first", "second") for name in names}


@pytest.mark.parametrize("kind", ["arrays", "dataset", "pairs"])
def test_reestimation_reads_at_most_so_many_batches(kind):
    x, y = data()
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    given = {"arrays": x, "dataset": batches, "pairs": [(x[i : i + 8], None) for i in (0, 8, 16)]}
    found = network()
    found.fit(x, y, verbose=0, callbacks=[callbacks.BatchNormReestimation(given[kind], 2, 8)])
    expected = network()
    expected.fit(x, y, verbose=0)
    tnn.surgery.recalibrate(expected, x[:16], batch_size=8)
    for name in ("first", "second"):
        mean, other = (m.get_layer(name).moving_mean for m in (found, expected))
        np.testing.assert_allclose(mean, other, rtol=1e-6)


def test_reestimation_at_a_utilization():
    x, y = data()
    model = network(gates.Nested(4))
    model.optimizer.learning_rate.assign(0.0)
    for u in (0.5, 1.0):
        steady = callbacks.BatchNormReestimation(x, batch_size=24, utilization=u)
        model.fit(x, y, verbose=0, callbacks=[steady])
        before_second = keras.Model(model.inputs, model.get_layer("mix").output)
        # One batch holds all samples, so the moving statistics are those that it was seen with.
        seen = np.array(before_second([x, np.full(24, u, "float32")], training=False))
        found = model.get_layer("second").moving_variance
        np.testing.assert_allclose(found, seen.var(0), rtol=1e-4)  # float32


def test_reestimation_needs_batch_norm_and_counts():
    image = keras.Input((4,))
    plain = keras.Model(image, keras.layers.Dense(2)(image))
    plain.compile("sgd", "mse")
    x, y = data()
    with pytest.raises(ValueError, match="`BatchNormalization` among its layers"):
        plain.fit(x, y, verbose=0, callbacks=[callbacks.BatchNormReestimation(x)])
    with pytest.raises(ValueError, match="Invalid value for `batches`.*batches=0"):
        callbacks.BatchNormReestimation(x, batches=0)
    with pytest.raises(ValueError, match="Invalid value for `batch_size`.*batch_size=1.5"):
        callbacks.BatchNormReestimation(x, batch_size=1.5)
    with pytest.raises(ValueError, match="Invalid value for `utilization`"):
        callbacks.BatchNormReestimation(x, utilization=0)


def reinforced():
    return network(gates.Blind(4, estimator=gates.Reinforce(seed=1), name="hidden_open"))


def test_alpha_of_the_paper():
    schedule = callbacks.ReinforceAlpha()  # hostetler2019, A.1: 0.8 to 0.99 in 20 epochs
    alphas = [schedule.alpha_at(epoch) for epoch in range(30)]
    np.testing.assert_allclose(np.diff(alphas[:21]), 0.19 / 20)
    assert alphas[0] == 0.8 and alphas[20:] == [0.99] * 10


def test_alpha_turns_the_estimator_and_is_logged():
    model = reinforced()
    reports = [callbacks.BatchActivation(0.5), callbacks.ReinforceAlpha(0.6, 0.9, epochs=2)]
    logs = model.fit(*data(), epochs=4, verbose=0, callbacks=reports).history
    assert logs["alpha"] == pytest.approx([0.6, 0.75, 0.9, 0.9])
    estimator = model.learned_gates[0].estimator
    assert estimator.alpha == 0.9
    # p of a logit that is as good as infinite is alpha itself
    assert float(estimator.probabilities(np.float32(50))) == pytest.approx(0.9)


def test_alpha_of_a_resumed_run_is_that_of_its_epoch():
    model = reinforced()
    reports = [callbacks.BatchActivation(0.5), callbacks.ReinforceAlpha(0.6, 0.9, epochs=2)]
    logs = model.fit(*data(), initial_epoch=1, epochs=2, verbose=0, callbacks=reports).history
    assert logs["alpha"] == pytest.approx([0.75])


@pytest.mark.parametrize("gate", [None, gates.Nested(4)], ids=["straight through", "nested"])
def test_alpha_needs_reinforce(gate):
    with pytest.raises(ValueError, match=r"estimator=keras_tnn.gates.Reinforce\(\)"):
        network(gate).fit(*data(), verbose=0, callbacks=[callbacks.ReinforceAlpha()])


def test_alpha_is_checked():
    with pytest.raises(ValueError, match="Invalid value for `alpha`.*alpha=0.5"):
        callbacks.ReinforceAlpha(start=0.5)
    with pytest.raises(ValueError, match="Invalid value for `alpha`.*alpha=1.1"):
        callbacks.ReinforceAlpha(end=1.1)
    with pytest.raises(ValueError, match="Invalid value for `epochs`.*epochs=0"):
        callbacks.ReinforceAlpha(epochs=0)
