"""What all learned gates share: which groups they decide on, and how they decide at inference."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from as_trained import as_trained
from keras_tnn.gates import (
    AlwaysOn,
    Blind,
    DataDependent,
    DataIndependent,
    Ensemble,
    Reinforce,
    Stochastic,
    StraightThrough,
    Threshold,
    record_decisions,
)

FEATURES = np.random.default_rng(0).normal(size=(6, 4, 4, 3)).astype("float32")
U = np.linspace(0.1, 1, 6).astype("float32")
KINDS = [DataIndependent, DataDependent, Blind]


def pruned(p, **more) -> DataIndependent:
    """A gate with the given probabilities."""
    gate = DataIndependent(len(p), **more)
    gate.build(())
    log_odds = np.log(p) - np.log1p(-np.asarray(p))
    gate.set_weights([np.stack([-log_odds / 2, log_odds / 2], axis=-1)])
    return gate


def called(gate, training=False):
    """Values and probabilities of one call."""
    with record_decisions() as decisions:
        gate(U, features=FEATURES, training=training)
    return [
        keras.ops.convert_to_numpy(x) for x in (decisions[0].values, decisions[0].probabilities)
    ]


def test_probabilities_of_two_logits():
    """herrmann2019, 3.2: p = 1 / (1 + exp(w_0 - w_1))."""
    gate = DataIndependent(2)
    gate.build(())
    gate.set_weights([np.float32([[0.0, 0.0], [2.0, 1.0]])])
    np.testing.assert_allclose(called(gate)[1], [[0.5, 1 / (1 + np.exp(1))]], rtol=1e-6)  # float32


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("kind", KINDS)
def test_threshold(kind, tau):
    gate = as_trained(kind(8), U, FEATURES)
    gate.inference.turn(Threshold(tau).dial)
    values, p = called(gate)
    assert (p > 0.05).any() and (p < 0.95).any()
    np.testing.assert_array_equal(values, np.broadcast_to(p > tau, values.shape))


@given(
    st.lists(st.floats(0.001, 0.999), min_size=1, max_size=8), st.data(), st.integers(0, 2**31 - 1)
)
def test_a_larger_threshold_never_opens_more(p, data, seed):
    gate = pruned(p, estimator=StraightThrough(seed=seed))
    taus = st.floats(0, 1, exclude_min=True, exclude_max=True)
    low, high = sorted([data.draw(taus), data.draw(taus)])
    patterns = []
    for tau in (low, high):
        gate.inference.turn(Threshold(tau).dial)
        patterns.append(gate.pattern(1.0))
    assert (patterns[0] >= patterns[1]).all()


@pytest.mark.parametrize("how", [Stochastic(), Ensemble(3)])
def test_stochastic_inference_draws_each_sample(how):
    p = [0.02, 0.3, 0.95]
    gate = pruned(p)
    gate.inference.turn(how.dial)
    drawn = keras.ops.convert_to_numpy(gate(np.ones(20_000, "float32"), training=False))
    bound = 5 * np.sqrt(np.multiply(p, np.subtract(1, p)) / 20_000)  # 5 standard deviations
    assert (abs(drawn.mean(axis=0) - p) < bound).all()


@pytest.mark.parametrize("kind", KINDS)
def test_always_on(kind):
    gate = kind(5, open_probability=0.001)
    assert called(gate)[0].sum() == 0
    gate.inference.turn(AlwaysOn().dial)
    assert (called(gate)[0] == 1).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [0.1, 0.9])
def test_probability_before_training(kind, p):
    probabilities = called(kind(4, open_probability=p))[1]
    # Blind's last layer starts with Keras' own weights, so its p is near only.
    np.testing.assert_allclose(probabilities, p, atol=0.15 if kind is Blind else 0.01)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_groups_that_are_always_open(kind, training):
    first = called(kind(5, min_groups=2, open_probability=0.001), training)
    chosen = called(kind(5, always_open=[3, 0], open_probability=0.001), training)
    for values in first:
        assert (np.round(values) == [1, 1, 0, 0, 0]).all()
    for values in chosen:
        assert (np.round(values) == [1, 0, 0, 1, 0]).all()


@given(st.sets(st.integers(0, 5)), st.lists(st.floats(0.001, 0.999), min_size=6, max_size=6))
def test_free_groups_keep_their_order(always_open, p):
    """The k-th free group has the k-th probability, wherever the others stand."""
    gate = DataIndependent(6, always_open=sorted(always_open))
    free = [group for group in range(6) if group not in always_open]
    assert gate.free == free and gate.free_groups == len(free)
    values = np.float32([p[: len(free)]])
    full = keras.ops.convert_to_numpy(gate.with_open_groups(values))[0]
    assert full[free].tolist() == values[0].tolist()
    assert full[sorted(always_open)].tolist() == [1.0] * len(always_open)


def test_pattern_of_a_pruned_network():
    assert pruned([0.2, 0.7, 0.5, 0.51]).pattern(0.25).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("kind", [DataIndependent, Blind])
def test_one_pattern_for_scalar_utilization(kind):
    gate = kind(4)
    assert tuple(gate(0.5).shape) == (1, 4)
    assert gate.pattern(0.5).shape == (4,)


@pytest.mark.parametrize(
    "gate",
    [
        DataIndependent(4, min_groups=1, open_probability=0.7),
        DataDependent(4, memory=True, always_open=[2], hidden_units=3),
        DataDependent(4, min_groups=1),
        Blind(4, always_open=[1, 3], hidden_units=5, estimator=Reinforce(0.9)),
    ],
    ids=lambda gate: type(gate).__name__,
)
def test_saves_and_loads(gate, tmp_path):
    features, u = keras.Input(FEATURES.shape[1:]), keras.Input(())
    model = keras.Model([features, u], gate(u, features=features))
    as_trained(gate, U, FEATURES)
    model.save(tmp_path / "gate.keras")
    loaded = keras.saving.load_model(tmp_path / "gate.keras")
    again = next(layer for layer in loaded.layers if isinstance(layer, type(gate)))
    assert again.get_config() == gate.get_config()
    # The same weights in the same operations: equal to the bit.
    for one, other in zip(called(again), called(gate), strict=True):
        np.testing.assert_array_equal(one, other)


def test_alpha_of_a_saved_model_is_where_training_left_it():
    gate = Blind(2, estimator=Reinforce(0.8))
    gate.estimator.turn(0.99)
    assert Blind.from_config(gate.get_config()).estimator.alpha == 0.99


def test_kinds_say_what_they_need():
    assert [kind.reads for kind in (Blind, DataDependent, DataIndependent)] == [
        ("utilization",),
        ("features",),
        (),
    ]
    assert Blind.whole_network and not DataDependent.whole_network
    assert DataDependent(2).data_dependent and not Blind(2).data_dependent


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"always_open": [4]}, "`always_open`. Expected numbers of groups, from 0 to 3"),
        ({"always_open": [0], "min_groups": 1}, "`min_groups` and `always_open` both say"),
        ({"estimator": "gumbel"}, "`estimator`. Expected a keras_tnn.gates.Estimator"),
        ({"open_probability": 1.0}, r"`open_probability`. Expected a float in \(0, 1\)"),
    ],
)
def test_refuses_arguments(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(4, **arguments)


@pytest.mark.parametrize("kind", [DataDependent, Blind])
@pytest.mark.parametrize("hidden_units", [0, 2.5, True])
def test_refuses_hidden_units(kind, hidden_units):
    with pytest.raises(ValueError, match="`hidden_units`. Expected a positive integer"):
        kind(4, hidden_units=hidden_units)
