"""Every kind of layer that has a rule: what stands before it is cut, and nothing changes."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn
from layer_kinds import NARROWS, WHOLE
from random_weights import randomized


def images(rank) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, *(6,) * rank, 3)).astype("float32")


def assert_cut_is_masked(dialled, rank) -> keras.Model:
    """Compares the network that is cut at u = 1/2 with the masked one; returns it."""
    small, x = tnn.materialize(dialled, 0.5), images(rank)
    masked = dialled([x, np.array([0.5, 0.5], "float32")], training=False)
    # Float32 sums of some hundred terms in another order.
    np.testing.assert_allclose(small(x, training=False), masked, rtol=1e-4, atol=1e-5)
    return small


def filters_left(rank, between) -> int:
    """Cuts a convolution of 16 filters in front of the layer in question and a dense one."""
    image = keras.Input((6,) * rank + (3,))
    x = getattr(layers, f"Conv{rank}D")(16, 3, padding="same", name="before")(image)
    x = layers.Dense(8)(layers.Flatten()(between(x)))
    model = randomized(keras.Model(image, layers.Dense(3)(x)))
    dialled = tnn.throttle(model, num_groups=4, strict=True)
    return assert_cut_is_masked(dialled, rank).get_layer("before").filters


@pytest.mark.parametrize("name", NARROWS)
def test_channels_are_followed(name):
    # Half of the groups open 1, 3 and 5 channels of parts that have 2, 5 and 9.
    assert filters_left(*NARROWS[name]) == {"ops_split_three": 9}.get(name, 8)


def test_a_broadcast_to_a_fixed_batch_is_no_place_for_gates():
    image = keras.Input((8,))
    x = ops.broadcast_to(layers.Dense(8)(image), (2, 8))
    model = keras.Model(image, layers.Dense(2)(layers.Dense(8, name="behind")(x)))
    with pytest.raises(ValueError, match="channels of 'behind': 'behind' mixes samples"):
        tnn.throttle(model, num_groups=4)


@pytest.mark.parametrize("name", WHOLE)
def test_channels_are_kept_whole(name):
    assert filters_left(2, WHOLE[name][1]) == 16


@pytest.mark.parametrize("name", [*NARROWS, *WHOLE])
def test_constants_and_needs_are_followed(name):
    """In front, closed channels hold constants other than zero; behind, any are not read."""
    rank, between = {**NARROWS, **WHOLE}[name]
    image = keras.Input((6,) * rank + (3,))
    u = keras.Input((), name="utilization", optional=True)
    x = getattr(layers, f"Conv{rank}D")(16, 3, padding="same")(image)
    x = between(layers.BatchNormalization()(gated_anyhow(x, u, seed=1)))
    outputs = layers.Dense(3)(layers.Flatten()(gated_anyhow(x, u, seed=2)))
    assert_cut_is_masked(randomized(tnn.ThrottledModel([image, u], outputs)), rank)


def gated_anyhow(x, u, seed):
    """A gate whose groups lie anywhere among the channels; the first is always open."""
    groups = np.random.default_rng(seed).integers(-1, 4, x.shape[-1] - 1)
    return tnn.layers.ChannelGate(num_groups=4, channel_groups=[-1, *groups.tolist()])([x, u])


def test_a_throttled_layer_normalization_reads_all_open_channels():
    image, u = keras.Input((6, 6, 3)), keras.Input((), name="utilization", optional=True)
    x = gated_anyhow(layers.Conv2D(16, 3)(image), u, seed=1)
    x = tnn.layers.ThrottleableLayerNormalization(num_groups=4)([x, u])
    outputs = layers.Dense(3)(layers.Flatten()(gated_anyhow(x, u, seed=2)))
    assert_cut_is_masked(randomized(tnn.ThrottledModel([image, u], outputs)), 2)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "attend",
    [
        lambda bias: layers.MultiHeadAttention(2, 4, value_dim=3, use_bias=bias),
        lambda bias: layers.GroupQueryAttention(4, 4, 2, use_bias=bias),
    ],
)
def test_attention_to_constants_is_a_constant(attend, bias):
    image, u = keras.Input((6, 6, 3)), keras.Input((), name="utilization", optional=True)
    x = layers.Reshape((36, 16))(layers.Conv2D(16, 3, padding="same")(image))
    gate = tnn.gates.Nested(4, min_groups=0)
    closed = layers.BatchNormalization()(tnn.layers.ChannelGate(gate=gate)([x, u]))
    attention = attend(bias)(x, closed)
    outputs = layers.Dense(3)(layers.Flatten()(layers.Add()([attention, x])))
    dialled = randomized(tnn.ThrottledModel([image, u], outputs))
    small, data = tnn.materialize(dialled, 0.1), images(2)
    assert not any("attention" in layer.name for layer in small.layers)
    masked = dialled([data, np.array([0.1, 0.1], "float32")], training=False)
    np.testing.assert_allclose(small(data, training=False), masked, rtol=1e-4, atol=1e-5)
