"""`SkippingRatio`: the sign of alpha, its two steps, what it logs and leaves behind."""

from functools import partial

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import gates, losses
from keras_tnn.callbacks import SkippingRatio
from keras_tnn.training import ForwardPass, SkippingObjective

ONES = np.ones(4, "float32")
IMAGES = np.random.default_rng(0).random((16, 8, 8, 3), dtype="float32")
LABELS = np.arange(16) % 4


def network(gate=gates.Recurrent, axis="depth"):
    """Three residual blocks."""
    keras.utils.set_random_seed(0)
    return tnn.models.ResNet((8, 8, 3), 4, depth=8, width=4, num_groups=2, axis=axis, gate=gate)


def part_of(model, objective, target, *probabilities):
    """What the objective adds where the three blocks have these p, in training."""
    model.target.turn([target, 0.0])
    gate = model.gates[0]
    values = [np.full((4, 1), p, "float32") for p in probabilities]
    made = [gates.Decision(gate, v, v, None, number) for number, v in enumerate(values)]
    part = objective.part(model, ForwardPass(ONES, made), None, None)
    return float(part), model.target.state.numpy()[1]


def test_the_sign_follows_the_hard_decisions_of_the_batch():
    model = network()
    objective = SkippingObjective(losses.GateActivation(model), alpha=0.1, layers=3)
    # p = 0.9, 0.6, 0.2: E = 1.7 layers, and a third is skipped at inference.
    for target, sign in ((0.5, 1), (0.25, -1)):
        part, skipped = part_of(model, objective, target, 0.9, 0.6, 0.2)
        assert part == pytest.approx(sign * 0.1 * 1.7, rel=1e-6)
        assert skipped == pytest.approx(1 / 3, rel=1e-6)
    # At the target nothing is added: all open is a ratio of zero, soft as it may be.
    assert part_of(model, objective, 0.0, 0.9, 0.6, 0.7) == (0.0, 0.0)


def test_a_layer_counts_one_in_any_unit():
    """E is 3 with all blocks open, by MACs and by measured time, whatever gates cost on top."""
    model = network()
    times = {"open_blocks": [1], "open_blocks/2": [1], "open_blocks/3": [2]}
    for complexity in (losses.MacsShare(model), losses.MeasuredShare(model, times, rest=1)):
        part, skipped = part_of(model, SkippingObjective(complexity, 0.1, 3), 0.5, 1, 1, 1)
        assert part == pytest.approx(0.1 * 3, rel=1e-6) and skipped == 0
    part, skipped = part_of(model, SkippingObjective(complexity, 0.1, 3), 0.5, 1, 1, 0)
    assert skipped == pytest.approx(2 / 5, rel=1e-6)


def fit(model, target, epochs, **arguments):
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    callbacks = [SkippingRatio(target, **arguments)]
    return model.fit(
        IMAGES, LABELS, batch_size=8, epochs=epochs, verbose=0, callbacks=callbacks
    ).history


def test_two_steps():
    """Gates alone to skip nothing, then both to skip what was asked for."""
    model = network(partial(gates.Recurrent, open_probability=0.3))
    kernel = model.get_layer("stem_conv").kernel
    before = kernel.numpy()
    model.freeze_data_path()
    logs = fit(model, 0.0, 10, alpha=1.0, complexity="gates")
    assert logs["skipping"][0] > logs["skipping"][-1] == 0.0
    rates = [rate[0] for rate in logs["gate_rates"][-1].values()]
    assert len(rates) == 3 and np.mean(rates) == pytest.approx(logs["activation_rate"][-1])
    np.testing.assert_array_equal(kernel.numpy(), before)
    model.freeze_data_path(False)
    logs = fit(model, 0.6, 10, alpha=1.0, complexity="gates")
    np.testing.assert_allclose(logs["target_skipping"], 0.6, rtol=1e-6)
    assert max(logs["skipping"]) >= 1 / 3  # one of three blocks or more
    assert np.abs(kernel.numpy() - before).max() > 0
    assert model.objective is None


def test_both_gates():
    model = network(
        {"depth": gates.Recurrent, "width": gates.Convolutional}, axis=("depth", "width")
    )
    for complexity in ("macs", "energy"):
        logs = fit(model, 0.5, 1, complexity=complexity)
        assert np.isfinite(logs["loss"]).all() and logs["skipping"] == pytest.approx([0], abs=1e-6)


def test_gates_that_draw():
    """With zeros and ones drawn the ratio is that of what was drawn."""
    model = network(partial(gates.Recurrent, estimator=gates.StraightThrough()))
    skipping = fit(model, 0.5, 1, complexity="gates")["skipping"][0]
    closed = skipping * 8 * 3  # of a batch
    assert closed == pytest.approx(round(closed), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 1.5}, r"Invalid value for `target`. Expected a float in \[0, 1\]"),
        ({"target": 1}, r"Expected a float in \[0, 1\). Received: target=1"),
        ({"target": 0.5, "alpha": -1}, "Invalid value for `alpha`. Expected a float, 0 or more"),
        ({"target": 0.5, "complexity": "watts"}, "Invalid value for `complexity`"),
    ],
)
def test_invalid(arguments, message):
    with pytest.raises(ValueError, match=message):
        SkippingRatio(**arguments)


def test_needs_learned_gates():
    model = network(None)
    with pytest.raises(ValueError, match="SkippingRatio needs a keras_tnn.Throttled"):
        fit(model, 0.5, 1)
