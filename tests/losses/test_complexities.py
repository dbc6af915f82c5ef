"""Complexities from the decisions of real forward passes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_tnn as tnn
from keras_tnn.cost import count_macs
from keras_tnn.gates import DataIndependent, Decision, record_decisions
from keras_tnn.layers import ChannelGate, ResidualGate, ThrottleableDense
from keras_tnn.losses import (
    EnergyShare,
    GateActivation,
    MacroAverage,
    MacsShare,
    MeasuredShare,
)

IMAGES = np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype("float32")
ONES = np.ones(6, "float32")


@pytest.fixture
def model():
    """Gates of 4 groups (one always open), of a block, and one that u opens."""
    image, u = keras.Input((8, 8, 3)), keras.Input((), name="utilization")
    wide = DataIndependent(4, min_groups=1, open_probability=0.5, name="wide")(u)
    block = DataIndependent(1, open_probability=0.5, name="block")(u)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    branch = ChannelGate(num_groups=4)([layers.Conv2D(16, 1)(x), wide])
    branch = layers.Conv2D(8, 3, padding="same")(branch)
    x = layers.Add()([x, ResidualGate(num_groups=1)([branch, block])])
    x = layers.GlobalAveragePooling2D()(x)
    x = ThrottleableDense(8, num_groups=2, name="head")([x, u])
    return keras.Model([image, u], layers.Dense(3, name="logits")(x))


def decisions_of(model, training=True, u=ONES):
    with record_decisions() as decisions:
        model([IMAGES, u], training=training)
    return decisions


def rows(decisions) -> dict[str, np.ndarray]:
    return {one.gate.name: np.array(one.values) for one in decisions}


def test_gate_activation_has_a_column_for_every_free_learned_group(model):
    decisions = decisions_of(model)
    chosen = rows(decisions)
    expected = np.concatenate([chosen["wide"][:, 1:], chosen["block"]], axis=1)
    assert 0 < expected.mean() < 1  # they were drawn
    np.testing.assert_array_equal(GateActivation(model)(decisions), expected)


def test_gate_activation_without_learned_gates_takes_all():
    image, u = keras.Input((4,)), keras.Input((), name="utilization")
    x = ThrottleableDense(8, num_groups=4)([image, u])
    model = keras.Model([image, u], layers.Dense(2)(x))
    with record_decisions() as decisions:
        model([np.ones((2, 4)), np.array([0.25, 0.75])])
    expected = [[1, 0, 0, 0], [1, 1, 1, 0]]
    np.testing.assert_array_equal(GateActivation(model)(decisions), expected)


def test_macro_average_is_equation_7(model):
    """Blocks: channel gate, residual gate, dense layer. Of the other calls with MACs all but the
    stem read or make gated channels, so the stem alone counts 1."""
    decisions = decisions_of(model, u=np.array([0.2, 0.4, 0.6, 0.8, 1, 1], "float32"))
    chosen = rows(decisions)
    head = next(value for name, value in chosen.items() if name not in ("wide", "block"))
    shares = [chosen["wide"].mean(1), chosen["block"][:, 0], head.mean(1), np.ones(6)]
    expected = np.mean(shares, axis=0)[:, None]
    np.testing.assert_allclose(MacroAverage(model)(decisions), expected, rtol=1e-6)


def test_macro_average_weighs_groups_by_their_channels():
    """Eq. 8, with groups of 1 and 4 channels and 3 that are always open; nodes side by side."""
    image, u = keras.Input((4,)), keras.Input((), name="utilization")
    nodes = [DataIndependent(1, name=name)(u) for name in ("first", "second")]
    both = keras.ops.concatenate(nodes, axis=-1)
    groups = [1, 1, 1, 1, 0, -1, -1, -1]
    x = ChannelGate(num_groups=2, channel_groups=groups)([layers.Dense(8)(image), both])
    complexity = MacroAverage(keras.Model([image, u], layers.Dense(2)(x)))
    values = {"first": [[1.0], [0.0]], "second": [[0.0], [1.0]]}
    decisions = [
        Decision(site.gate, np.array(values[site.gate.name], "float32"), None)
        for site in complexity.sites
    ]
    np.testing.assert_allclose(complexity(decisions), [[4 / 8], [7 / 8]], rtol=1e-6)


def test_macro_average_of_what_is_computed_from_gates():
    image, u = keras.Input((4,)), keras.Input((), name="utilization")
    one, other = (DataIndependent(2, name=name)(u) for name in ("first", "second"))
    x = ChannelGate(num_groups=2, name="both")([layers.Dense(8)(image), one * other])
    with pytest.raises(ValueError, match="layer 'both' obeys what was computed from gates"):
        MacroAverage(keras.Model([image, u], layers.Dense(2)(x)))


def test_macs_share_is_that_of_each_samples_cut_network(model):
    decisions = decisions_of(model)
    chosen, shares = rows(decisions), np.array(MacsShare(model)(decisions))
    full = count_macs(tnn.materialize(model, 1.0, gates={"wide": [1] * 4, "block": [1]}))
    assert shares.shape == (6, 1)
    for sample in (0, 1, 2):
        gates = {name: chosen[name][sample] for name in ("wide", "block")}
        expected = count_macs(tnn.materialize(model, 1.0, gates=gates)) / full
        np.testing.assert_allclose(shares[sample], expected, rtol=1e-6)  # float32


def test_gradients_reach_the_logits(model):
    share, gate = MacsShare(model), model.get_layer("block")
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(share(decisions_of(model)))
    (gradient,) = tape.gradient(value, [gate.pairs])
    assert gradient[0, 1] > 0  # more of it open is more to compute
    np.testing.assert_allclose(gradient[0, 0], -gradient[0, 1], rtol=1e-5)
    compiled = tf.function(lambda: share(decisions_of(model)))
    assert compiled().shape == (6, 1)


def test_one_row_for_all_samples_beside_one_for_each(model):
    share = MacsShare(model)
    decisions = decisions_of(model, training=False)
    single = [Decision(r.gate, r.values[: 6 if i else 1], None) for i, r in enumerate(decisions)]
    np.testing.assert_array_equal(share(single), share(decisions))


def test_energy_share_is_one_with_all_open(model):
    share = EnergyShare(model)
    opened = [Decision(r.gate, np.ones_like(r.values), None) for r in decisions_of(model)]
    np.testing.assert_allclose(share(opened), np.ones((6, 1)), rtol=1e-6)
    assert float(np.mean(share(decisions_of(model)))) < 1


def test_measured_share(model):
    seconds = {"wide": [4, 3, 2, 1], "block": [5], "head": [0, 3]}
    share = MeasuredShare(model, seconds, rest=2)
    decisions = decisions_of(model)
    chosen = rows(decisions)
    block = chosen["block"][:, 0]
    expected = (2 + block * (5 + chosen["wide"] @ [4, 3, 2, 1]) + 3) / 20  # "wide" is in "block"
    np.testing.assert_allclose(share(decisions)[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("seconds", "rest", "message"),
    [
        ({"wide": [1] * 4, "block": [1]}, 0, r"Expected the gates \['block', 'head', 'wide'\]"),
        ({"wide": [1] * 3, "block": [1], "head": [1, 1]}, 0, "'wide'. Expected 4 numbers"),
        ({"wide": [1] * 4, "block": [-1], "head": [1, 1]}, 0, "'block'. Expected 1 numbers"),
        ({"wide": [1] * 4, "block": [1], "head": [1, 1]}, np.nan, "'rest'. Expected 1 numbers"),
        ({"wide": [0] * 4, "block": [0], "head": [0, 0]}, 0, "Expected a time above zero"),
    ],
)
def test_bad_seconds(model, seconds, rest, message):
    with pytest.raises(ValueError, match=message):
        MeasuredShare(model, seconds, rest)


@pytest.mark.parametrize("kind", [GateActivation, MacroAverage, MacsShare, EnergyShare])
def test_a_model_without_gates(kind):
    bare = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="bare")
    with pytest.raises(ValueError, match="Model 'bare' has no gates"):
        kind(bare)


def test_a_gate_without_a_reading(model):
    decisions = [one for one in decisions_of(model) if one.gate.name != "block"]
    with pytest.raises(ValueError, match=r"gates \['block'\] left no decision"):
        MacsShare(model)(decisions)


def test_every_call_of_a_gate_counts():
    """A learned gate that is called twice draws twice."""
    image, u = keras.Input((4,)), keras.Input((), name="utilization", optional=True)
    gate = DataIndependent(4, min_groups=1, open_probability=0.5, name="twice")
    x = ChannelGate(num_groups=4)([layers.Dense(8)(image), gate(u)])
    x = ChannelGate(num_groups=4)([layers.Dense(8)(x), gate(u)])
    model = tnn.ThrottledModel([image, u], layers.Dense(2)(x))
    with record_decisions() as decisions:
        model([np.ones((6, 4), "float32"), ONES], training=True)
    first, second = (np.array(one.values) for one in decisions)
    assert np.any(first != second)
    free = np.concatenate([first[:, 1:], second[:, 1:]], axis=1)
    np.testing.assert_array_equal(GateActivation(model)(decisions), free)
    wide, deep = 2 * first.sum(axis=1), 2 * second.sum(axis=1)
    expected = (4 * wide + wide * deep + 2 * deep) / (4 * 8 + 8 * 8 + 8 * 2)
    np.testing.assert_allclose(MacsShare(model)(decisions)[:, 0], expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"gates \['twice/2'\] left no decision"):
        MacsShare(model)(decisions[:1])
