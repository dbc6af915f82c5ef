"""Attention over open heads: what is closed adds nothing, and at u = 1 it is the plain layer."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn
from random_weights import randomized

RNG = np.random.default_rng(0)
X, VALUE, KEY = RNG.normal(size=(3, 3, 5, 8)).astype("float32")


def assert_close(actual, expected, **tolerance):
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (actual, expected)), **tolerance)


def assert_equal(actual, expected):
    assert_close(actual, expected, rtol=0)


def pair(kind: str, num_groups: int, **options):
    """A gated attention layer and the plain one, with equal weights."""
    heads = (
        {"num_heads": 4, "key_dim": 2}
        if kind == "MultiHeadAttention"
        else {"head_dim": 2, "num_query_heads": 8, "num_key_value_heads": 4}
    )
    gated = getattr(tnn.layers, f"Throttleable{kind}")(**heads, num_groups=num_groups, **options)
    plain = getattr(layers, kind)(**heads, **options)
    gated([X, 1.0], VALUE, KEY)
    plain(X, VALUE, KEY)
    values = [RNG.normal(size=w.shape) for w in plain.weights]
    gated.set_weights(values)
    plain.set_weights(values)
    return gated, plain


KINDS = pytest.mark.parametrize("kind", ["MultiHeadAttention", "GroupQueryAttention"])


@KINDS
@pytest.mark.parametrize("options", [{}, {"use_gate": True}, {"use_bias": False, "dropout": 0.5}])
def test_at_full_utilization_it_is_the_plain_layer(kind, options):
    gated, plain = pair(kind, num_groups=2, **options)
    for arguments in ({}, {"use_causal_mask": True}, {"attention_mask": np.eye(5)[None] == 1}):
        expected = plain(X, VALUE, KEY, **arguments)
        assert_equal(gated([X, 1.0], VALUE, KEY, **arguments), expected)
    assert_equal(gated([X, 1.0]), plain(X, X))


@KINDS
def test_the_output_is_the_bias_and_a_sum_over_open_heads(kind):
    gated, _ = pair(kind, num_groups=4)
    bias = ops.convert_to_numpy(gated.weights[-1])
    alone = [ops.convert_to_numpy(gated([X, g[None]])) - bias for g in np.eye(4, dtype="float32")]
    both = gated([X, np.array([[0, 1, 1, 0]], "float32")])
    assert_close(both, bias + alone[1] + alone[2], rtol=1e-4, atol=1e-4)
    closed = gated([X, np.zeros((1, 4), "float32")])
    assert_close(closed, np.broadcast_to(bias, closed.shape), rtol=1e-6)


@KINDS
def test_every_sample_has_its_own_heads(kind):
    gated, _ = pair(kind, num_groups=4)
    mixed = gated([X, np.array([0.25, 0.5, 1.0], "float32")])
    for i, u in enumerate((0.25, 0.5, 1.0)):
        assert_close(mixed[i], gated([X, u])[i], rtol=1e-4, atol=1e-5)


def test_groups_that_do_not_divide_the_heads_are_an_error():
    layer = tnn.layers.ThrottleableMultiHeadAttention(4, 2, num_groups=3)
    with pytest.raises(ValueError, match="a divisor of its 4 heads. Received: num_groups=3"):
        layer([X, 0.5])


def test_groups_are_named_for_each_head_of_values():
    options = {"head_dim": 2, "num_query_heads": 8, "num_key_value_heads": 4}
    layer = tnn.layers.ThrottleableGroupQueryAttention(
        **options, num_groups=2, channel_groups=[0, 0, 0, 1, 1, 1, 1, 1]
    )
    with pytest.raises(ValueError, match=r"Expected 4 integers in \[-1, 2\), one a head"):
        layer([X, 0.5])


def test_it_needs_utilization():
    layer = tnn.layers.ThrottleableMultiHeadAttention(4, 2, num_groups=4)
    with pytest.raises(ValueError, match=r"is called on \[features, utilization\]"):
        layer(X)


def test_a_layer_of_the_users_own_is_cut_to_its_open_heads():
    features, u = keras.Input((5, 8)), keras.Input((), name="utilization", optional=True)
    attention = tnn.layers.ThrottleableMultiHeadAttention(
        6, 2, num_groups=3, channel_groups=[2, -1, 0, 1, 0, 2], name="attention"
    )
    x = layers.Dense(8)(features)
    outputs = layers.Dense(2)(attention([x, u], layers.ReLU()(x)))
    model = randomized(tnn.ThrottledModel([features, u], outputs))
    small = tnn.materialize(model, 1 / 3)
    plain = small.get_layer("attention")
    assert type(plain) is layers.MultiHeadAttention
    assert plain.num_heads == 3
    assert_equal(plain.weights[0], ops.convert_to_numpy(attention.weights[0])[:, [1, 2, 4]])
    assert_close(small(X), model([X, np.full(3, 1 / 3)]), rtol=1e-4, atol=1e-5)


def test_attention_of_the_features_to_themselves_needs_no_values():
    features, u = keras.Input((5, 8)), keras.Input((), name="utilization", optional=True)
    attention = tnn.layers.ThrottleableMultiHeadAttention(4, 2, num_groups=4)
    model = randomized(tnn.ThrottledModel([features, u], layers.Dense(2)(attention([features, u]))))
    masked = model([X, np.full(3, 0.5, "float32")])
    assert_close(tnn.materialize(model, 0.5)(X), masked, rtol=1e-4, atol=1e-5)


def test_gates_that_scale_heads_cannot_be_cut():
    features, u = keras.Input((5, 8)), keras.Input((), name="utilization", optional=True)
    gate = tnn.gates.Nested(4, normalize=True)
    attention = tnn.layers.ThrottleableMultiHeadAttention(4, 2, gate=gate, name="attention")
    model = tnn.ThrottledModel([features, u], layers.Dense(2)(attention([features, u])))
    with pytest.raises(ValueError, match="of layer 'attention' has values other than 0 and 1"):
        tnn.materialize(model, 0.5)
