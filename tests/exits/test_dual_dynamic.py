"""Gates that read the data and exits in one model (wang2019, DDI): a budget holds by sample."""

from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import gates
from keras_tnn.exits import ExitThresholds
from keras_tnn.exits.exit_costs import head_costs
from keras_tnn.exits.sample_costs import last_within_each
from keras_tnn.surgery import read_graph
from keras_tnn.surgery.gate_fronts import front_calls
from keras_tnn.surgery.macs import macs_of_call
from networks import CLASSES, chain_with_exits, compiled, samples

BOTH = {"depth": gates.Recurrent, "width": gates.Convolutional}
AT = ["stem_relu", "stage1_block1_relu", "stage2_block1_relu"]
X, Y = samples(24)
X *= np.linspace(0.1, 4, 24, dtype="float32")[:, None, None, None]  # gates see a difference
UNITS = ("macs", "energy")


def dual() -> tnn.exits.ThrottledExitsModel:
    """Three residual blocks, each skipped or not, each by channels, too; an exit before each.

    Weights of the gates are drawn wide, so that samples differ in what they skip.
    """
    keras.utils.set_random_seed(0)
    axes = ("depth", "width")
    network = tnn.models.ResNet(
        (8, 8, 3), CLASSES, depth=8, width=4, num_groups=2, axis=axes, gate=BOTH
    )
    model = tnn.add_exits(network, at=AT)
    rng = np.random.default_rng(0)
    for weight in model.gate_weights:
        weight.assign(rng.normal(size=weight.shape, scale=1.5 if len(weight.shape) > 1 else 0.3))
    return compiled(model)


@pytest.fixture(scope="module")
def model():
    return dual()


def shares_of(model, unit, **arguments) -> np.ndarray:
    """Cost of each exit for each sample over that of the whole network, `(n, exits)`."""
    whole = model.exit_costs(unit)[model.exit_names[-1]]
    return model.exit_costs_by_sample(X, unit, verbose=0, **arguments) / whole


@pytest.fixture(scope="module")
def shares(model):
    return {unit: shares_of(model, unit) for unit in UNITS}


def decided(model) -> list[dict[str, list[int]]]:
    """For each sample, which groups each call of a gate opens."""
    with gates.record_decisions() as decisions:
        model(X)
    chosen = {one.key: np.array(one.values, int) for one in decisions}
    return [{key: values[i].tolist() for key, values in chosen.items()} for i in range(len(X))]


def test_samples_differ_and_none_costs_more_than_with_all_open(model, shares):
    for unit, found in shares.items():
        most = np.array([*model.exit_costs(unit).values()])
        np.testing.assert_allclose(found[:, 0], most[0] / most[-1], rtol=1e-6)  # no gate before
        assert np.all(found <= most / most[-1] * (1 + 1e-6))
        assert len(np.unique(found[:, -1].round(6))) > 3


def test_counted_are_what_remains_and_the_gates_that_are_asked(model):
    """A closed block's channel gate is not; the recurrent gate decides for each block."""
    found = model.exit_costs_by_sample(X, verbose=0)
    asked = sum(map(macs_of_call, front_calls(read_graph(model))))
    of_channels, of_blocks = model.gate_calls[::2], model.gate_calls[1::2]
    asked += sum(macs_of_call(site.call) for site in of_blocks)
    patterns = decided(model)
    for sample in (0, 9, 23):
        pattern = patterns[sample]
        inside = sum(
            macs_of_call(one.call)
            for one, block in zip(of_channels, of_blocks, strict=True)
            if pattern[block.key] == [1]
        )
        level = tnn.materialize(model, gates=pattern)
        expected = level.exit_costs()["predictions"] + asked + inside
        assert found[sample, -1] == expected


@hypothesis.given(st.floats(0.26, 1.0), st.sampled_from(UNITS))  # enough for the first exit
@hypothesis.settings(max_examples=50)
def test_no_sample_spends_more_than_the_budget(shares, budget, unit):
    found = shares[unit]
    taken = last_within_each(found, budget)
    each = np.arange(len(found))
    assert np.all(found[each, taken] <= budget * (1 + 1e-6))
    for sample, number in enumerate(taken):  # and no later exit is within
        assert np.all(found[sample, number + 1 :] > budget)


@pytest.mark.parametrize("unit", UNITS)
def test_with_all_gates_open_it_is_one_exit_for_all(model, unit):
    way = gates.AlwaysOn()
    costs = np.array([*model.exit_costs(unit).values()])
    whole = shares_of(model, unit, gating=way)
    for share in (*(costs / costs[-1]), 0.5, 0.7, 0.9):
        number = max(i for i, cost in enumerate(costs) if cost <= share * costs[-1] * (1 + 1e-9))
        assert {*last_within_each(whole, share)} == {number}
    share = costs[2] / costs[-1]
    assert model.exit_within(share, unit) == "exit3"
    arguments = {"budget": share, "unit": unit, "return_exits": True, "verbose": 0}
    answers, taken = model.predict(X, gating=way, **arguments)
    assert {*taken} == {2}
    every = model.predict(X, gating=way, verbose=0)
    np.testing.assert_allclose(answers, every[2], rtol=1e-5)


def test_what_gates_close_pays_for_going_on(model, shares):
    """The same budget stops all samples at the first exit where gates are open."""
    budget = 0.42
    assert model.exit_within(budget) == "exit1"
    answers, taken = model.predict(X, budget=budget, return_exits=True, verbose=0)
    assert len({*taken}) > 1
    each = np.arange(len(X))
    np.testing.assert_allclose(
        answers, np.stack(model.predict(X, verbose=0))[taken, each], rtol=1e-5
    )
    logs = model.evaluate(X, Y, budget=budget, verbose=0, return_dict=True)
    assert {*logs} == {"loss", "accuracy", "share"}
    assert logs["accuracy"] == pytest.approx((answers.argmax(-1) == Y).mean())
    assert logs["share"] == pytest.approx(shares["macs"][each, taken].mean(), rel=1e-6)
    listed = model.evaluate(X, Y, budget=budget, batch_size=7, verbose=0)
    assert listed == pytest.approx([*logs.values()])


def test_a_table_is_for_all_samples_alike(model):
    table = dict(zip(model.exit_names, (1.0, 2.0, 3.0, 4.0), strict=True))
    _, taken = model.predict(X, budget=2.5, unit=table, return_exits=True, verbose=0)
    assert {*taken} == {1}


def test_the_table_of_exits_has_the_mean_costs(model):
    table = tnn.evaluate_exits(model, X, Y, calibration_data=X)
    logs = model.evaluate(X, Y, calibration_data=X, verbose=0, return_dict=True)
    costs = model.exit_costs_by_sample(X, calibration_data=X, verbose=0)
    joules = model.exit_costs_by_sample(X, "energy", calibration_data=X, verbose=0)
    assert [row.exit for row in table.rows] == [*model.exit_names]
    for number, row in enumerate(table.rows):
        assert row.macs == pytest.approx(costs[:, number].mean(), rel=1e-6)
        assert row.energy == pytest.approx(joules[:, number].mean(), rel=1e-6)
        assert row.metrics["accuracy"] == logs[f"{row.exit}_accuracy"]
    assert table.rows[-1].share < 1 and table.rows[-1].utilization == 1


def test_trains_end_to_end(tmp_path):
    """The losses of all exits, and alpha E, which has a gradient of its own for the gates."""
    plain = tnn.models.ResNet((8, 8, 3), CLASSES, depth=8, width=4, throttled=False)
    network = tnn.throttle(plain, num_groups=2, axes=("depth", "width"), gate=BOTH, check=False)
    model = tnn.add_exits(network, at=AT[1:2])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    weights = [model.get_layer(name).kernel for name in ("stem_conv", "exit1", "predictions")]
    weights += [gate.weights[-1] for gate in model.gates]
    before = [np.array(weight) for weight in weights]
    ratio = tnn.callbacks.SkippingRatio(0.5, alpha=10.0)
    logs = model.fit(X, Y, batch_size=24, epochs=2, verbose=0, callbacks=[ratio]).history
    exits = np.add(logs["exit1_loss"], logs["predictions_loss"])
    assert np.all(np.subtract(logs["loss"], exits) > 1)  # + alpha E, while too little is skipped
    after = [np.array(weight) for weight in weights]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True))

    model.save(tmp_path / "dual.keras")
    loaded = keras.saving.load_model(tmp_path / "dual.keras")
    arguments = {"budget": 0.9, "return_exits": True, "verbose": 0}
    one, other = (m.predict(X, **arguments) for m in (model, loaded))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5)
    np.testing.assert_array_equal(one[1], other[1])


def test_arguments_that_cannot_be(model):
    with pytest.raises(ValueError, match="Expected at least 0.2544, what the cheapest"):
        model.predict(X, budget=0.2, verbose=0)
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]. Received: budget=1.5"):
        model.evaluate(X, Y, budget=1.5, verbose=0)
    with pytest.raises(ValueError, match="Expected at least 0.3: each exit takes more"):
        last_within_each(np.array([[0.2, 0.4], [0.3, 0.5]]), 0.25)
    with pytest.raises(ValueError, match="Expected one decision of each gate"):
        model.predict(X, budget=0.5, gating=gates.Ensemble(2), verbose=0)
    with pytest.raises(ValueError, match="Invalid value for `unit`. Expected one of"):
        model.exit_costs_by_sample(X, "seconds")
    with pytest.raises(ValueError, match="Expected an exit or a budget, not both"):
        model.predict(X, exit=1, budget=0.5, verbose=0)


def test_costs_without_and_with_samples(model):
    for unit in UNITS:
        costs = model.exit_costs_by_sample(X, unit, verbose=0).mean(axis=0)
        assert list(model.exit_costs(unit, x=X).values()) == pytest.approx(costs)
        assert model.exit_costs(unit, x=X)["predictions"] < model.exit_costs(unit)["predictions"]
    plain = compiled(chain_with_exits())
    assert plain.exit_costs(x=X) == plain.exit_costs()


def test_outcomes_keep_the_costs_of_each_sample(model, shares):
    outcomes = tnn.analysis.exit_outcomes(model, X, Y, batch_size=7)
    np.testing.assert_allclose(outcomes.costs, shares["macs"], rtol=1e-6)
    assert outcomes.shares == pytest.approx(shares["macs"].mean(axis=0))
    assert outcomes.energy == pytest.approx([*model.exit_costs("energy", x=X).values()])
    for limits in (ExitThresholds({"exit1": 0.5, "exit3": 0.4}), ExitThresholds({"exit2": 0.4})):
        made = outcomes.stopped(limits)
        logs = model.evaluate(X, Y, thresholds=limits, verbose=0, return_dict=True)
        assert made.mean_cost == pytest.approx(logs["share"], rel=1e-6)
        assert made.accuracy == pytest.approx(logs["accuracy"])
    some = outcomes.of(np.arange(5))
    assert some.costs.shape == (5, 4)
    assert some.shares == pytest.approx(shares["macs"][:5].mean(axis=0))
    tf = pytest.importorskip("tensorflow")
    again = tnn.analysis.exit_outcomes(model, tf.data.Dataset.from_tensor_slices((X, Y)).batch(9))
    np.testing.assert_allclose(again.sample_macs, outcomes.sample_macs, rtol=1e-6)


def test_what_gates_save_is_spent_on_going_further(model):
    """Calibrated by the costs of samples, more go on than with all gates counted as open."""
    outcomes = tnn.analysis.exit_outcomes(model, X, Y)
    costs = tuple(model.exit_costs().values())
    counted_open = replace(outcomes, sample_macs=None, macs=costs)
    for budget in (0.4, 0.5):
        found = tnn.analysis.exit_thresholds(outcomes, budget)
        other = tnn.analysis.exit_thresholds(counted_open, budget)
        made, before = outcomes.stopped(found), outcomes.stopped(other)
        assert before.mean_cost < made.mean_cost <= budget + 1e-9
        assert made.accuracy >= before.accuracy


def test_thresholds_count_what_ran_for_each_sample(model):
    limits = {"exit1": 0.5, "exit3": 0.4}
    _, taken = model.predict(X, thresholds=limits, return_exits=True, verbose=0)
    assert len(set(taken)) == 3
    spent = model.exit_costs_by_sample(X, verbose=0)[np.arange(len(X)), taken]
    spent[taken > 0] += head_costs(model, "macs")["exit1"]  # asked before
    spent[taken > 2] += head_costs(model, "macs")["exit3"]
    logs = model.evaluate(X, Y, thresholds=limits, verbose=0, return_dict=True)
    whole = model.exit_costs()["predictions"]
    assert logs["share"] == pytest.approx(spent.mean() / whole, rel=1e-6)
    open_gates = {"gating": gates.AlwaysOn(), "verbose": 0, "return_dict": True}
    all_open = model.evaluate(X, Y, thresholds=limits, **open_gates)["share"]
    assert logs["share"] < all_open
