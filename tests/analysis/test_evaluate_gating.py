"""All ways of inference on tiny networks, against numpy and against the network that is cut."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_tnn as tnn
from keras_tnn import gates, layers
from keras_tnn.analysis import evaluate_gating
from keras_tnn.gates import AlwaysOn, Ensemble, Stochastic, Threshold

WHOLE = 4 * 8 + 8 * 2  # MACs
SAMPLES = 2000
TAUS = (0.2, 0.5, 0.8)
PROBABILITIES = np.array([0.9, 0.6, 0.3])  # of groups 1 to 3; group 0 is always open


def network(gate=None, metrics=("mae",)):
    """Four inputs, eight hidden units in four groups, two outputs."""
    keras.utils.set_random_seed(0)
    image, u = keras.Input((4,), name="image"), keras.Input((), name="utilization", optional=True)
    gate = gate or gates.DataIndependent(4, min_groups=1, name="hidden_open")
    control = gate(u, features=image) if gate.data_dependent else gate(u)
    x = keras.layers.Dense(8, activation="relu", name="hidden")(image)
    x = layers.ChannelGate(num_groups=4, name="hidden_gate")([x, control])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2, name="logits")(x))
    if isinstance(gate, gates.DataIndependent):
        gate.pairs.assign(np.log(np.stack([1 - PROBABILITIES, PROBABILITIES], axis=-1)))
    model.compile("sgd", "mse", metrics=[*metrics])
    return model


def data(samples=SAMPLES):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 4)).astype("float32"), np.zeros((samples, 2), "float32")


def outputs(model, x, open_groups):
    """What the network computes with these groups open, in numpy."""
    (a, b), (c, d) = (model.get_layer(name).get_weights() for name in ("hidden", "logits"))
    return (np.maximum(x @ a + b, 0) * np.repeat(open_groups, 2, axis=-1)) @ c + d


def table_of(model, *given, **more):
    return evaluate_gating(model, *given, verbose=False, **more)


@pytest.fixture(scope="module")
def measured():
    model = network()
    return model, table_of(model, *data(), TAUS, runs=4, batch_size=500)


def row_of(table, gating):
    (row,) = [row for row in table.rows if row.gating == gating]
    return row


def test_a_row_for_each_way(measured):
    ways = [Threshold(0.2), Threshold(0.5), Threshold(0.8), Stochastic(), AlwaysOn(), Ensemble(4)]
    assert [row.gating for row in measured[1].rows] == ways


@pytest.mark.parametrize("gating", [*map(Threshold, TAUS), AlwaysOn()], ids=str)
def test_decided_gates_agree_with_numpy(measured, gating):
    model, table = measured
    x, _ = data()
    learned = getattr(gating, "tau", 0) < PROBABILITIES
    row = row_of(table, gating)
    expected = outputs(model, x, np.array([1, *learned]))
    assert row.metrics["loss"] == pytest.approx(np.mean(expected**2), rel=1e-5)  # float32
    assert row.metrics["mae"] == pytest.approx(np.mean(np.abs(expected)), rel=1e-5)
    # A group is two of eight units: a quarter of each kernel.
    share = (1 + learned.sum()) / 4
    assert row.share == pytest.approx(share) and row.macs == pytest.approx(WHOLE * share)
    assert row.activation_rate == pytest.approx(learned.mean())
    assert row.deviations is None


def test_polarization_is_that_of_the_probabilities(measured):
    assert {row.polarization for row in measured[1].rows} == {0.0}


def test_macs_are_those_of_the_network_that_is_cut(measured):
    model, table = measured
    cut = tnn.count_macs(tnn.materialize(model, 1.0))  # at the threshold of 1/2
    assert row_of(table, Threshold(0.5)).macs == pytest.approx(cut)


def expectation(model, x, of):
    """The mean of `of(outputs)` over what gates may draw."""
    total = 0.0
    for drawn in itertools.product([0, 1], repeat=3):
        chance = np.prod(np.where(drawn, PROBABILITIES, 1 - PROBABILITIES))
        total += chance * of(outputs(model, x, np.array([1, *drawn])))
    return total


def test_drawn_gates_agree_with_their_expectation(measured):
    model, table = measured
    x, _ = data()
    row = row_of(table, Stochastic())
    loss = expectation(model, x, lambda y: np.mean(y**2))
    # Over 4 x 2000 samples the variance of their losses leaves a standard deviation of 0.8 %, and
    # that of a rate is sqrt(sum of p (1 - p) / 9 / 8000) = 0.0027. Five of each are allowed.
    assert row.metrics["loss"] == pytest.approx(loss, rel=0.04)
    assert row.activation_rate == pytest.approx(PROBABILITIES.mean(), abs=0.0137)
    assert row.share == pytest.approx((1 + 3 * row.activation_rate) / 4)
    assert row.macs == pytest.approx(WHOLE * row.share)


def test_an_ensemble_averages_outputs_and_costs_all_of_its_runs(measured):
    model, table = measured
    x, _ = data()
    row = row_of(table, Ensemble(4))
    mean = expectation(model, x, lambda y: y)
    variance = expectation(model, x, lambda y: (y - mean) ** 2)
    # Five standard deviations again: 1 % of the loss, 0.3 % of the share.
    assert row.metrics["loss"] == pytest.approx(np.mean(mean**2 + variance / 4), rel=0.05)
    assert row.share == pytest.approx(4 * (1 + PROBABILITIES.sum()) / 4, rel=0.015)


def test_mean_and_deviation_are_those_of_the_evaluations():
    """The same draws again, by `evaluate` alone."""
    x, y = data(40)
    model = network()
    seed = model.learned_gates[0].estimator.seed_generator.state
    seed.assign([7, 0])
    row = row_of(table_of(model, x, y, (), runs=3, batch_size=16), Stochastic())
    seed.assign([7, 0])
    runs = [
        model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True, gating=Stochastic())
        for _ in range(3)
    ]
    for name in ("loss", "mae"):
        values = [run[name] for run in runs]
        # The table runs eagerly: rounding of float32 only.
        assert row.metrics[name] == pytest.approx(np.mean(values), rel=1e-5)
        assert row.deviations[name] == pytest.approx(np.std(values, ddof=1), rel=1e-3)
    rates = [run["activation_rate"] for run in runs]
    assert row.deviations["activation_rate"] == pytest.approx(np.std(rates, ddof=1), rel=1e-3)
    assert np.std(rates) > 0


def test_gates_that_see_the_data_cost_macs_unless_removed():
    gate = gates.DataDependent(4, min_groups=1, name="hidden_open", open_probability=0.9)
    x, y = data(10)
    model = network(gate)
    table = table_of(model, x, y, (0.5,), runs=1)
    own = 4 * 3 * 16 + 3 * 16 * 2  # 4 inputs to 16 units and to 2 logits, for three groups
    assert row_of(table, Threshold(0.5)).macs == pytest.approx(WHOLE + own)
    assert row_of(table, AlwaysOn()).macs == pytest.approx(WHOLE)
    assert row_of(table, AlwaysOn()).share == pytest.approx(1)


@pytest.mark.parametrize("kind", ["dataset", "generator of pairs"])
def test_reads_what_evaluate_reads(kind, measured):
    x, y = data()
    model, expected = measured
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(500)
    if kind == "generator of pairs":
        with pytest.raises(ValueError, match="which can be read once an evaluation"):
            table_of(model, iter(dataset))
        return
    row = row_of(table_of(model, dataset, thresholds=(0.5,), runs=1), Threshold(0.5))
    assert row.metrics == pytest.approx(row_of(expected, Threshold(0.5)).metrics)
    assert row.macs == pytest.approx(row_of(expected, Threshold(0.5)).macs)


def test_gates_of_utilization_are_asked_at_it():
    gate = gates.Blind(4, min_groups=1, name="hidden_open", hidden_units=1)
    model = network(gate)
    gate.hidden.set_weights([np.ones((1, 1)), np.zeros(1)])  # u itself
    gate.output_logits.set_weights([np.full((1, 3), 20.0), np.array([-2.0, -8.0, -14.0])])
    rates = [
        table_of(model, *data(10), (0.5,), runs=1, utilization=u).rows[0].activation_rate
        for u in (0.25, 0.5, 1.0)  # logits 20 u - 2, - 8 and - 14
    ]
    assert rates == pytest.approx([1 / 3, 2 / 3, 1])


def test_leaves_the_model_as_it_was():
    x, y = data(12)
    model = network()
    model.compile("sgd", "mse", steps_per_execution=3)
    before = model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)
    weights = model.get_weights()
    table = table_of(model, x, y, (0.8,), runs=2, batch_size=4)
    assert len(table.rows) == 4
    assert (model.run_eagerly, model.steps_per_execution, model.ensemble_runs) == (False, 3, 1)
    assert model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True) == before
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Rotation(keras.layers.Layer):
    """Multiplies by a matrix; nobody said what that costs."""

    def build(self, shape):
        self.matrix = self.add_weight(shape=(shape[-1], shape[-1]), name="matrix")

    def call(self, x):
        turned = keras.ops.solve(self.matrix, keras.ops.transpose(x))  # no rule counts it
        return keras.ops.transpose(turned)


def test_unknown_cost_is_a_dash_and_said_once():
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    gate = gates.DataIndependent(4, name="open")(u)
    x = layers.ThrottleableDense(8, num_groups=4)([Rotation(name="turned")(image), gate])
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(x))
    model.compile("sgd", "mse")
    table = table_of(model, *data(6), (0.5, 0.8), runs=2)
    assert {(row.macs, row.share) for row in table.rows} == {(None, None)}
    assert row_of(table, Threshold(0.5)).activation_rate == 1
    lines = str(table).splitlines()
    assert [line.split("  ")[0] for line in lines[1:3]] == ["threshold 0.5", "threshold 0.8"]
    assert all(line.split()[-5:-3] == ["-", "-"] for line in lines[1:3])
    assert str(table).count("no rule counts the MACs of ['turned']") == 1


def test_invalid_models_and_arguments():
    plain = tnn.models.VGG((8, 8, 3), 4, num_groups=2, filters=((4,),), dense_units=None)
    plain.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Expected a keras_tnn.ThrottledModel with learned gates"):
        table_of(plain, np.ones((2, 8, 8, 3)), np.ones(2))
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    x = layers.ThrottleableDense(4, num_groups=4)([image, gates.DataIndependent(4)(u)])
    with pytest.raises(ValueError, match="is not compiled, so there is nothing to measure"):
        table_of(tnn.ThrottledModel([image, u], x), *data(2))
    with pytest.raises(ValueError, match="Invalid value for `tau`.*tau=1.0"):
        table_of(network(), *data(2), (0.5, 1.0))
    with pytest.raises(ValueError, match="Invalid value for `runs`.*runs=0"):
        table_of(network(), *data(2), runs=0)
    with pytest.raises(ValueError, match="Invalid value for `utilization`"):
        table_of(network(), *data(2), utilization=1.5)


def test_statistics_that_do_not_fit_are_told_or_estimated_anew():
    keras.utils.set_random_seed(0)
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    gate = gates.DataIndependent(4, min_groups=1, name="open", open_probability=0.5)
    x = layers.ChannelGate(num_groups=4)([keras.layers.Dense(8)(image), gate(u)])
    x = keras.layers.BatchNormalization()(keras.layers.Dense(3)(x))
    model = tnn.ThrottledModel([image, u], keras.layers.Dense(2)(x))
    model.compile("sgd", "mse")
    x, y = data(64)
    statistics = model.layers[-2].get_weights()
    with pytest.warns(UserWarning, match="has BatchNormalization and `calibration_data` is None"):
        stale = table_of(model, x, y, (0.6,), runs=1)
    fresh = table_of(model, x, y, (0.6,), runs=1, calibration_data=x)
    for row, other in zip(fresh.rows, stale.rows, strict=True):
        assert row.metrics["loss"] != other.metrics["loss"] or row.gating == Stochastic()
    row = row_of(fresh, Threshold(0.6))
    pruned = tnn.materialize(model, threshold=0.6, calibration_data=x)
    pruned.compile(loss="mse")
    expected = pruned.evaluate(x, y, verbose=0)
    assert row.metrics["loss"] == pytest.approx(expected, rel=1e-4)  # float32
    for before, after in zip(statistics, model.layers[-2].get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)
