"""A hard budget stops every sample at the last exit within it."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import keras_tnn as tnn
from networks import CLASSES, chain, chain_with_exits, compiled, dialled, samples

PLAIN, DIALLED = chain_with_exits(), dialled()
SHARES = st.floats(0.001, 1.0)


@hypothesis.given(SHARES, st.sampled_from(["macs", "energy"]))
@hypothesis.settings(max_examples=30)
def test_no_exit_costs_more_than_its_budget(budget, unit):
    costs = PLAIN.exit_costs(unit)
    shares = {name: cost / costs["classes"] for name, cost in costs.items()}
    if budget < min(shares.values()):
        with pytest.raises(ValueError, match="what the cheapest exit"):
            PLAIN.exit_within(budget, unit)
        return
    found = PLAIN.exit_within(budget, unit)
    assert shares[found] <= budget
    later = PLAIN.exit_names[PLAIN.exit_number(found) + 1 :]
    assert all(shares[name] > budget for name in later)


def test_the_least_that_an_error_names_is_enough():
    with pytest.raises(ValueError, match="Expected at least") as error:
        PLAIN.exit_within(1e-6)
    least = float(str(error.value).split("at least ")[1].split(",")[0])
    assert PLAIN.exit_within(least) == "exit1"


def test_the_whole_budget_is_the_model():
    model = chain()
    with_exits = tnn.add_exits(model, at=["conv1"])
    assert with_exits.exit_within(1.0) == "classes"
    assert with_exits.exit_costs()["classes"] == tnn.count_macs(model)
    assert with_exits.exit_costs("energy")["classes"] == tnn.cost.energy(model)


def test_what_is_computed_is_the_way_there_and_one_head():
    layers = {layer.name for layer in PLAIN.up_to("exit2").layers}
    assert {"conv1", "conv2", "exit2"} < layers
    assert not layers & {"conv3", "exit1", "classes"}


def test_evaluate_and_predict_within_a_budget():
    x, y = samples()
    model = compiled(chain_with_exits())
    share = model.exit_costs()["exit2"] / model.exit_costs()["classes"]
    answers = model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict(x, budget=share, verbose=0), answers[1])
    np.testing.assert_array_equal(model.predict(x, exit=1, verbose=0), answers[1])
    np.testing.assert_array_equal(model.predict(x, exit=-1, verbose=0), answers[-1])
    every = model.evaluate(x, y, verbose=0, return_dict=True)
    for labels in (y, [y, y, y], dict.fromkeys(model.exit_names, y)):
        one = model.evaluate(x, labels, budget=share, verbose=0, return_dict=True)
        assert one == {
            "accuracy": every["exit2_accuracy"],
            "loss": pytest.approx(every["exit2_loss"], rel=1e-5),
        }


def test_an_exit_follows_training():
    x, y = samples()
    model = compiled(chain_with_exits())
    model.evaluate(x, y, exit="exit1", verbose=0)
    model.fit(x, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(
        model.predict(x, exit="exit1", verbose=0), model.predict(x, verbose=0)[0]
    )
    model.compile(
        loss="sparse_categorical_crossentropy", metrics=["sparse_top_k_categorical_accuracy"]
    )
    logs = model.evaluate(x, y, exit="exit1", verbose=0, return_dict=True)
    assert {*logs} == {"loss", "sparse_top_k_categorical_accuracy"}


def test_a_table_of_milliseconds():
    table = {"exit1": 1.0, "exit2": 2.5, "classes": 4.0}
    found = [PLAIN.exit_within(budget, table) for budget in (1.0, 2.4, 2.5, 100.0)]
    assert found == ["exit1", "exit1", "exit2", "classes"]
    with pytest.raises(ValueError, match="Expected at least 1.0, what the cheapest exit 'exit1'"):
        PLAIN.exit_within(0.5, table)
    with pytest.raises(ValueError, match="a table with a number for each of the exits"):
        PLAIN.exit_within(0.5, {"exit1": 1.0})


def test_the_budget_of_a_level_is_of_the_whole_network():
    """At u = 1/2 the whole depth runs where at u = 1 the first exit must do."""
    low, whole = DIALLED.exit_costs(utilization=0.5), DIALLED.exit_costs()
    assert low["predictions"] < 0.5 * whole["predictions"] < whole["exit2"]
    assert DIALLED.exit_within(0.5, utilization=0.5) == "predictions"
    assert DIALLED.exit_within(0.5) == "exit1"


def test_a_level_within_a_budget():
    x, y = samples()
    model = compiled(dialled())
    level = tnn.materialize(model, 0.5)
    for exit in model.exit_names:
        answers = model.predict(x, utilization=0.5, exit=exit, verbose=0)
        np.testing.assert_allclose(level.predict(x, exit=exit, verbose=0), answers, rtol=1e-4)
    budget = level.exit_costs()["exit1"] / model.exit_costs()["predictions"]
    logs = model.evaluate(x, y, utilization=0.5, budget=budget, verbose=0, return_dict=True)
    expected = model.evaluate(x, y, utilization=0.5, verbose=0, return_dict=True)
    name = model.exit_within(budget, utilization=0.5)
    assert logs["loss"] == pytest.approx(expected[f"{name}_loss"], rel=1e-5)


def test_a_level_has_the_exits_of_the_model():
    level = tnn.materialize(DIALLED, 0.5)
    assert type(level) is tnn.exits.ExitsModel
    assert level.exit_names == DIALLED.exit_names
    assert level.exit_costs() == DIALLED.exit_costs(utilization=0.5)
    assert level.get_layer("exit1").units == CLASSES


def test_gates_that_read_the_data_count_as_open():
    plain = tnn.models.ResNet((8, 8, 3), CLASSES, depth=14, width=4, throttled=False)
    gate = tnn.gates.DataDependent
    gated = tnn.throttle(plain, num_groups=2, axes=("depth",), gate=gate, check=False)
    costs = tnn.add_exits(gated, at=["stem_relu", "stage2_block2_relu"]).exit_costs()
    without = tnn.add_exits(plain, at=["stem_relu", "stage2_block2_relu"]).exit_costs()
    assert costs["exit1"] == without["exit1"]  # in front of the first gate
    assert costs["exit2"] > without["exit2"] and costs["predictions"] > without["predictions"]


def test_a_model_that_skips_what_gates_close_has_exits_too():
    plain = tnn.models.ResNet((8, 8, 3), CLASSES, depth=8, width=4, throttled=False)
    gate = tnn.gates.DataDependent
    gated = tnn.throttle(plain, num_groups=2, axes=("depth",), gate=gate, check=False)
    model = tnn.add_exits(gated, at=["stage1_block1_relu"])
    skipping = tnn.conditional(model)
    assert type(skipping) is tnn.exits.ExitsModel
    assert skipping.exit_names == model.exit_names
    x, _ = samples()
    for one, other in zip(model.predict(x), skipping.predict(x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("budget", [0.0, 1.5, -1, True, "half", float("nan")])
def test_a_budget_is_a_share(budget):
    with pytest.raises(ValueError, match=r"Invalid value for `budget`. Expected a float in \(0, 1"):
        PLAIN.exit_within(budget)


def test_arguments_that_cannot_be():
    x, _ = samples()
    for exit in ("exit9", 3, -4, True, 1.0):
        with pytest.raises(ValueError, match="Invalid value for `exit`. Expected one of"):
            PLAIN.predict(x, exit=exit)
    with pytest.raises(ValueError, match="Expected an exit or a budget, not both"):
        PLAIN.predict(x, exit="exit1", budget=0.5)
    with pytest.raises(ValueError, match="Invalid value for `unit`. Expected one of"):
        PLAIN.exit_costs("seconds")
    with pytest.raises(ValueError, match="Model 'chain' has no dial"):
        PLAIN.exit_costs(utilization=0.5)
