"""Transformers of plain Keras layers: heads, feed-forward networks and the residual stream."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn
from random_weights import randomized

IMAGES = np.random.default_rng(1).normal(size=(3, 8, 8, 3)).astype("float32")


def attention(kind: str, heads: int, name: str):
    if kind == "MultiHeadAttention":
        return layers.MultiHeadAttention(heads, 4, name=name)
    return layers.GroupQueryAttention(4, 2 * heads, heads, name=name)


def transformer(kind="MultiHeadAttention", heads=4, width=16, blocks=1, shared=False):
    image = keras.Input((8, 8, 3))
    x = layers.Reshape((-1, width))(layers.Conv2D(width, 2, 2, name="patches")(image))
    one = attention(kind, heads, "shared")
    for i in range(blocks):
        y = layers.LayerNormalization()(x)
        attend = one if shared else attention(kind, heads, f"attention_{i}")
        x = layers.Add()([x, attend(y, y)])
        y = layers.Dense(4 * width, "gelu", name=f"hidden_{i}")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return randomized(keras.Model(image, layers.Dense(10)(x)))


def assert_close(actual, expected, **tolerance):
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (actual, expected)), **tolerance)


def assert_cut_is_masked(dialled, u: float) -> keras.Model:
    small = tnn.materialize(dialled, u)
    masked = dialled([IMAGES, np.full(3, u, "float32")])
    # Float32 sums of some hundred terms in another order.
    assert_close(small(IMAGES), masked, rtol=1e-4, atol=1e-5)
    return small


# Attention of some queries to some keys falls with u, everything else with its square.
@pytest.mark.parametrize(
    ("kind", "share"), [("MultiHeadAttention", 0.3), ("GroupQueryAttention", 0.32)]
)
def test_heads_hidden_units_and_the_embedding_are_cut(kind, share):
    model = transformer(kind)
    dialled = tnn.throttle(model, 4, ("width",), strict=True)
    assert_close(dialled(IMAGES), model(IMAGES), atol=1e-6)
    small = assert_cut_is_masked(dialled, 0.5)
    plain = small.get_layer("attention_0")
    assert type(plain) is getattr(layers, kind)
    if kind == "MultiHeadAttention":
        assert plain.num_heads == 2
    else:
        assert (plain.num_query_heads, plain.num_key_value_heads) == (4, 2)
    assert small.get_layer("hidden_0").units == 32
    assert small.get_layer("patches").filters == 8
    assert tnn.count_macs(small) == tnn.count_macs(dialled, 0.5) <= share * tnn.count_macs(model)


@pytest.mark.parametrize(("heads", "num_groups", "left"), [(3, 2, 2), (4, 8, 1), (2, 5, 1)])
def test_heads_that_groups_do_not_divide(heads, num_groups, left):
    """Groups differ by one head; of more groups than heads, each head opens with one."""
    dialled = tnn.throttle(transformer(heads=heads), num_groups, ("width",))
    small = assert_cut_is_masked(dialled, 1 / num_groups)
    assert small.get_layer("attention_0").num_heads == left


def test_the_embedding_stays_whole_where_it_is_left_alone():
    dialled = tnn.throttle(transformer(), 4, ("width",), skip=("patches",))
    small = assert_cut_is_masked(dialled, 0.5)
    assert small.get_layer("patches").filters == 16
    assert small.get_layer("attention_0").num_heads == 2
    assert small.get_layer("hidden_0").units == 32


def test_attention_that_is_left_alone_keeps_its_heads():
    dialled = tnn.throttle(transformer(), 4, ("width",), skip=("attention_0",))
    small = assert_cut_is_masked(dialled, 0.5)
    assert small.get_layer("attention_0").num_heads == 4
    assert small.get_layer("hidden_0").units == 32


def test_shared_attention_is_cut_in_one_way():
    dialled = tnn.throttle(transformer(blocks=2, shared=True), 4, ("width",))
    small = assert_cut_is_masked(dialled, 0.5)
    assert small.get_layer("shared").num_heads == 2
    assert sum(isinstance(x, layers.MultiHeadAttention) for x in small.layers) == 1


def test_attention_and_feed_forward_are_blocks():
    dialled = tnn.throttle(transformer(blocks=2), 4)
    gates = [x for x in dialled.layers if isinstance(x, tnn.layers.ResidualGate)]
    assert len(gates) == 4
    assert_cut_is_masked(dialled, 0.5)


@pytest.mark.parametrize("kind", ["MultiHeadAttention", "GroupQueryAttention"])
def test_l1_order_opens_the_heads_first_that_the_outputs_weigh_most(kind):
    model = transformer(kind)
    *_, joining, _ = model.get_layer("attention_0").weights
    scale = np.repeat([1, 9, 2, 8], joining.shape[0] // 4)[:, None, None]
    joining.assign(np.sign(ops.convert_to_numpy(joining)) * scale)
    small = assert_cut_is_masked(tnn.throttle(model, 4, ("width",), channel_order="l1"), 0.5)
    left = np.abs(ops.convert_to_numpy(small.get_layer("attention_0").weights[-2]))
    assert {*left.ravel().tolist()} == {9, 8}


def test_learned_gates_close_heads():
    dialled = tnn.throttle(transformer(), 8, gate=tnn.gates.DataIndependent)
    assert dialled.get_layer("attention_0").num_groups == 4  # no more groups than heads
    pattern = {"attention_0_open": [1, 0, 0, 1]}
    small = tnn.materialize(dialled, gates=pattern)
    assert small.get_layer("attention_0").num_heads == 2
    macs = tnn.cost.gated_macs(dialled)
    values = [pattern.get(site.name, np.ones(site.gate.num_groups)) for site in macs.sites]
    values = np.concatenate(values)[None].astype("float32")
    assert float(macs(values)[0]) == tnn.count_macs(small)


def test_all_heads_of_a_block_may_close():
    dialled = tnn.throttle(transformer(), 4, gate=tnn.gates.DataIndependent)
    small = tnn.materialize(dialled, gates={"attention_0_open": [0, 0, 0, 0]})
    assert not any(isinstance(x, layers.MultiHeadAttention) for x in small.layers)


def test_channels_a_group_count_the_channels_of_heads():
    dialled = tnn.throttle(transformer(), gate=tnn.gates.DataIndependent, granularity=8)
    assert dialled.get_layer("attention_0").num_groups == 2  # of two heads of 4 channels


def test_gates_that_read_the_data_leave_heads_whole():
    dialled = tnn.throttle(transformer(), 4, ("width",), gate=tnn.gates.DataDependent)
    assert type(dialled.get_layer("attention_0")) is layers.MultiHeadAttention


def test_heads_that_a_gate_opens_by_the_data_cannot_be_cut():
    features, u = keras.Input((5, 8)), keras.Input((), name="utilization", optional=True)
    gates = tnn.gates.DataDependent(4, name="reading")(u, features=features)
    attention = tnn.layers.ThrottleableMultiHeadAttention(4, 2, num_groups=4, name="attention")
    outputs = layers.Dense(2)(attention([features, gates]))
    model = tnn.ThrottledModel([features, u], outputs)
    for cut in (tnn.materialize, tnn.surgery.conditional):
        with pytest.raises(ValueError, match="gate of layer 'attention' depends on the data"):
            cut(model, 0.5)
