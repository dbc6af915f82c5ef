"""Gates at the exits of a model with a dial: they decide, learn and cost at each u."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import callbacks, gates
from networks import CLASSES, compiled, samples

X, Y = samples(16)
LEVELS = (0.5, 1.0)


def small_gate(features, name):
    return tnn.exits.exit_gate(features, name, filters=4)


def dialled(**arguments) -> tnn.exits.ThrottledGatedExitsModel:
    keras.utils.set_random_seed(0)
    network = tnn.models.VGG(
        (8, 8, 3), CLASSES, num_groups=4, filters=((8, 8),), dense_units=None,
        batch_normalization=False,
    )  # fmt: skip
    return compiled(tnn.add_exits(network, at=["conv1_1_gate"], gate=small_gate), **arguments)


def set_odds(model, value):
    """The gate says the same of every sample."""
    gate = model.get_layer("exit1_gate")
    gate.kernel.assign(np.zeros(gate.kernel.shape))
    gate.bias.assign([value])


@pytest.fixture(scope="module")
def model():
    return dialled(target=0.25, penalty=2.0)


@pytest.fixture(scope="module")
def levels(model):
    return {u: compiled(tnn.materialize(model, u)) for u in LEVELS}


def stop_shares(model, level):
    """By exit, the MACs of a level that stops there with its gate, over those of the network."""
    return np.array(level.shares) * level.exit_costs()["predictions"] / whole(model)


def whole(model):
    return model.exit_costs()["predictions"]


def test_a_level_is_a_model_with_exit_gates(model, levels):
    for u, level in levels.items():
        assert type(level) is tnn.exits.GatedExitsModel
        found = model.predict(X, utilization=u, verbose=0)
        for one, other in zip(found, level.predict(X, verbose=0), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    small, large = (level.get_layer("exit1_gate_1_conv").kernel.shape for level in levels.values())
    assert (small[2], large[2]) == (4, 8)  # the gate reads the features that u leaves


@pytest.mark.parametrize(("odds", "number"), [(9.0, 0), (-9.0, 1)])
def test_a_stop_costs_what_it_costs_at_u(model, levels, odds, number):
    set_odds(model, odds)
    for u, level in levels.items():
        at = {"utilization": u, "verbose": 0, "return_dict": True}
        share = stop_shares(model, level)[number]
        by_gates = model.evaluate(X, Y, thresholds="gates", **at)
        assert by_gates["share"] == pytest.approx(share)
        every = model.evaluate(X, Y, **at)
        assert every["share"] == pytest.approx(share, rel=1e-5)  # from what the gates chose
        losses = [every["exit1_loss"], every["predictions_loss"]]
        over = max(share - 0.25, 0.0)
        expected = sum(losses) + losses[number] + 2 * over**2
        assert every["loss"] == pytest.approx(expected, rel=1e-4)


def test_each_sample_has_the_costs_of_its_u(model, levels):
    set_odds(model, -9.0)
    u = np.where(np.arange(len(X)) % 2, 1.0, 0.5)
    logs = model.evaluate(X, Y, utilization=u, verbose=0, return_dict=True)
    expected = np.mean([stop_shares(model, level)[1] for level in levels.values()])
    assert logs["share"] == pytest.approx(expected, rel=1e-5)


REGIMES = {
    "a u for each sample": [callbacks.DiscreteUtilization(LEVELS)],
    "the sandwich rule": [callbacks.SandwichRule(LEVELS)],
    "with distillation": [callbacks.SandwichRule(LEVELS, distillation=True)],
}


@pytest.mark.parametrize("calls", REGIMES.values(), ids=list(REGIMES))
def test_training_counts_the_levels_that_it_draws(calls, levels):
    """With gates that always stop, and what they cost fixed, the share is that of the levels."""
    model = dialled()
    set_odds(model, 99.0)
    model.get_layer("exit1_gate").trainable = False
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    logs = model.fit(X, Y, batch_size=16, epochs=1, verbose=0, callbacks=calls).history
    low, high = (stop_shares(model, level)[0] for level in levels.values())
    if "Sandwich" in type(calls[0]).__name__:
        assert logs["share"][0] == pytest.approx((low + high) / 2, rel=1e-5)
    else:
        assert low < logs["share"][0] < high


def test_lower_levels_teach_their_gates_under_distillation():
    """Without a penalty the gate opens where its exit is the better one."""
    model = dialled()
    set_odds(model, 0.0)
    model.get_layer("exit1").bias.assign([8.0, -8.0, -8.0])
    zeros = np.zeros(len(Y), int)  # exit1 says class 0 of all
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", penalty=0.0)
    rule = callbacks.SandwichRule(LEVELS, distillation=True)
    model.fit(X, zeros, epochs=3, verbose=0, callbacks=[rule])
    assert float(np.array(model.get_layer("exit1_gate").bias)[0]) > 0


def test_the_penalty_makes_samples_stop_earlier(levels):
    """The first exit is wrong of all samples: only what going on costs speaks for it."""
    shares = []
    for penalty in (0.0, 100.0):
        model = dialled()
        set_odds(model, 0.0)
        model.get_layer("exit1").bias.assign([9.0, -9.0, -9.0])
        optimizer = keras.optimizers.Adam(0.1)
        loss = "sparse_categorical_crossentropy"
        model.compile(optimizer, loss, target=0.0, penalty=penalty)
        for layer in model.layers:
            layer.trainable = layer.name.startswith("exit1_gate")
        rule = [callbacks.SandwichRule(LEVELS)]
        ones = np.ones(len(Y), int)
        logs = model.fit(X, ones, epochs=12, verbose=0, callbacks=rule).history
        shares.append(logs["share"][-1])
    least, most = (np.mean([stop_shares(model, one)[i] for one in levels.values()]) for i in (0, 1))
    assert shares == pytest.approx([most, least], abs=0.1 * (most - least))


def test_with_gates_that_read_the_data():
    """What those close is spared; the exit gates are asked all the same."""
    keras.utils.set_random_seed(0)
    network = tnn.models.ResNet(
        (8, 8, 3), CLASSES, depth=8, width=4, axis=("depth",), gate={"depth": gates.Recurrent}
    )
    both = compiled(tnn.add_exits(network, at=["stage1_block1_relu"], gate=small_gate))
    set_odds(both, -9.0)
    at = {"verbose": 0, "return_dict": True}
    share = both.evaluate(X, Y, thresholds="gates", **at)["share"]
    assert both.evaluate(X, Y, **at)["share"] == pytest.approx(share, rel=1e-5)
    spent = both.exit_costs_by_sample(X, verbose=0)[:, -1].mean()
    gate = both.stop_costs(both.as_thresholds("gates"))[-1] - both.exit_costs()["predictions"]
    assert share == pytest.approx((spent + gate) / both.exit_costs()["predictions"], rel=1e-6)
    both.fit(X, Y, verbose=0)
    assert both.predict(X, budget=0.9, verbose=0).shape == (16, CLASSES)
    assert tnn.analysis.exit_outcomes(both, X, Y).costs.shape == (16, 2)


def test_a_saved_model_is_the_model(model, tmp_path):
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert type(loaded) is tnn.exits.ThrottledGatedExitsModel
    assert (loaded.target, loaded.penalty) == (0.25, 2.0)
    for one, other in zip(model.predict(X), loaded.predict(X), strict=True):
        np.testing.assert_array_equal(one, other)
    loaded.fit(X, Y, verbose=0)


def test_a_loss_outside_of_a_step(model):
    u = np.ones(len(X), "float32")
    with pytest.raises(ValueError, match="Expected `compute_loss` to be called by `train_step`"):
        model.compute_loss(None, Y, model([X, u]), training=False)
