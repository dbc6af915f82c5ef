"""Gates at exits learn when to stop."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn
from networks import chain, compiled, dialled, samples

X, Y = samples(32)


def small_gate(features, name):
    return tnn.exits.exit_gate(features, name, filters=4)


def gated(**arguments) -> tnn.exits.GatedExitsModel:
    return compiled(tnn.add_exits(chain(), at=["conv1", "conv2"], gate=small_gate), **arguments)


def set_odds(model, *odds):
    """Gates that say the same of every sample."""
    for name, value in zip(("exit1_gate", "exit2_gate"), odds, strict=True):
        gate = model.get_layer(name)
        gate.kernel.assign(np.zeros(gate.kernel.shape))
        gate.bias.assign([value])


def test_outputs_are_exits_and_then_gates():
    model = gated()
    assert model.exit_names == ("exit1", "exit2", "classes")
    assert model.output_names[3:] == ["exit1_gate", "exit2_gate"]
    expected = compiled(chain()).count_params()
    assert model.up_to("classes").count_params() == expected


def test_the_paper_s_gate():
    model = tnn.add_exits(chain(), at=["conv2"], gate=True)
    shapes = [tuple(model.get_layer(f"exit1_gate_{i}_conv").kernel.shape) for i in (1, 2)]
    assert shapes == [(3, 3, 8, 128), (3, 3, 128, 128)]


@pytest.mark.parametrize(
    ("odds", "number"), [((9.0, -9.0), 0), ((-9.0, 9.0), 1), ((-9.0, -9.0), 2)]
)
def test_samples_stop_at_the_first_open_gate(odds, number):
    """The share counts the way, the exit's head, and the gates on the way, but no other head."""
    model = gated()
    set_odds(model, *odds)
    answers, taken = model.predict(X, thresholds="gates", return_exits=True, verbose=0)
    assert set(taken) == {number}
    np.testing.assert_array_equal(answers, model.predict(X, verbose=0)[number])
    first = 64 * 9 * (4 * 4 + 4 * 4) + 4  # two 3x3 convolutions of 4 channels on 8x8, and dense
    second = 64 * 9 * (8 * 4 + 4 * 4) + 4
    spent = model.exit_costs()[model.exit_names[number]] + first + (second if number else 0)
    share = spent / model.exit_costs()["classes"]
    by_gates = model.evaluate(X, Y, thresholds="gates", verbose=0, return_dict=True)
    assert by_gates["share"] == pytest.approx(share)
    every = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert every["share"] == pytest.approx(share)  # of the gates' decisions, too
    assert by_gates["accuracy"] == pytest.approx(every[f"{model.exit_names[number]}_accuracy"])


def test_the_loss_is_that_of_the_exits_of_the_answer_and_of_the_share():
    model = gated(target=0.25, penalty=2.0)
    set_odds(model, -9.0, 9.0)
    logs = model.evaluate(X, Y, batch_size=32, verbose=0, return_dict=True)
    exits = logs["exit1_loss"] + logs["exit2_loss"] + logs["classes_loss"]
    expected = exits + logs["exit2_loss"] + 2 * (logs["share"] - 0.25) ** 2
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    set_odds(model, 9.0, 9.0)
    model.compile("sgd", "sparse_categorical_crossentropy", target=0.9, penalty=2.0)
    logs = model.evaluate(X, Y, batch_size=32, verbose=0, return_dict=True)
    exits = 2 * logs["exit1_loss"] + logs["exit2_loss"] + logs["classes_loss"]
    assert logs["share"] < 0.9
    assert logs["loss"] == pytest.approx(exits, rel=1e-5)  # no penalty below the target


def test_a_low_target_makes_samples_stop_earlier():
    shares = []
    for target in (0.0, 1.0):
        model = gated(target=target, penalty=100.0)
        set_odds(model, 0.0, 0.0)
        model.compile(
            keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy",
            target=target, penalty=100.0,
        )  # fmt: skip
        for name in ("conv1", "conv2", "conv3", "conv4"):
            model.get_layer(name).trainable = False
        history = model.fit(X, Y, epochs=12, verbose=0).history["share"]
        shares.append(history[-1])
    least = model.shares[0]  # all stop at the first exit
    assert shares[0] == pytest.approx(least, abs=0.02)
    assert shares[1] > shares[0] + 0.02


def test_gates_learn_by_the_losses_of_the_exits_they_choose():
    """Without a penalty a gate opens where its exit is better than what comes later."""
    model = gated(penalty=0.0)
    set_odds(model, 0.0, 0.0)
    model.get_layer("exit1").bias.assign([8.0, -8.0, -8.0])
    zeros = np.zeros(len(Y), int)  # exit1 says class 0 of all
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", penalty=0.0)
    before = float(np.array(model.get_layer("exit1_gate").bias)[0])
    model.fit(X, zeros, batch_size=32, epochs=3, verbose=0)
    assert float(np.array(model.get_layer("exit1_gate").bias)[0]) > before


def test_a_saved_model_is_the_model(tmp_path):
    model = gated(target=0.5, penalty=3.0, distillation=0.5)
    model.fit(X, Y, verbose=0, sample_weight=np.ones(len(Y)))
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert type(loaded) is tnn.exits.GatedExitsModel
    assert (loaded.target, loaded.penalty, loaded.distillation) == (0.5, 3.0, 0.5)
    for one, other in zip(model.predict(X), loaded.predict(X), strict=True):
        np.testing.assert_array_equal(one, other)
    loaded.fit(X, Y, verbose=0)


def test_other_measures_and_the_table_leave_gates_out():
    model = gated()
    limits = tnn.exits.ExitThresholds({"exit2": 0.0}, "margin")
    _, taken = model.predict(X, thresholds=limits, return_exits=True, verbose=0)
    assert set(taken) == {1}
    outcomes = tnn.analysis.exit_outcomes(model, X, Y)
    assert outcomes.right.shape == (32, 3)
    table = tnn.evaluate_exits(model, X, Y)
    assert [row.exit for row in table.rows] == [*model.exit_names]


def test_what_cannot_be():
    with pytest.raises(ValueError, match="Invalid value for `gate`. Expected True, False or a"):
        tnn.add_exits(chain(), gate="gumbel")
    with pytest.raises(
        ValueError, match=r"Invalid value for `gate`.* a tensor of shape \(None, 1\)"
    ):
        tnn.add_exits(chain(), gate=lambda features, name: layers.Dense(2)(features))
    with pytest.raises(ValueError, match="has no exit gates"):
        compiled(dialled()).predict(X, thresholds="gates")
    with pytest.raises(ValueError, match=r"Invalid value for `target`. Expected a float in \[0, 1"):
        gated(target=2.0)
    model = chain()
    with pytest.raises(ValueError, match="for each but the last, log-odds of shape"):
        tnn.exits.GatedExitsModel(model.input, [model.output] * 3)
