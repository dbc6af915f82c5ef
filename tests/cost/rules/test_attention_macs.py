"""MACs of attention. T queries, S keys; each expected number is the arithmetic that gives it."""

import math

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_tnn.cost import count_macs
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.rule import Kept
from keras_tnn.surgery.rules.attention import HeadsRule


@pytest.mark.parametrize("kind", [layers.Attention, layers.AdditiveAttention])
def test_attention_without_projections(kind):
    query, value, key = keras.Input((5, 8)), keras.Input((7, 6)), keras.Input((7, 8))
    model = keras.Model([query, value, key], kind()([query, value, key]))
    assert count_macs(model) == 5 * 7 * 8 + 5 * 7 * 6


def test_keys_are_the_values_by_default():
    query, value = keras.Input((5, 8)), keras.Input((7, 8))
    model = keras.Model([query, value], layers.Attention()([query, value]))
    assert count_macs(model) == 2 * 5 * 7 * 8


def test_multi_head_attention():
    query, value = keras.Input((5, 8)), keras.Input((7, 6))
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=3, value_dim=4, output_shape=10)
    model = keras.Model([query, value], layer(query, value))
    projections = 5 * 8 * (2 * 3) + 7 * 6 * (2 * 3) + 7 * 6 * (2 * 4) + 5 * (2 * 4) * 10
    assert count_macs(model) == projections + 2 * 5 * 7 * 3 + 2 * 5 * 7 * 4


def test_multi_head_attention_with_named_arguments():
    query, value, key = keras.Input((5, 8)), keras.Input((7, 6)), keras.Input((7, 9))
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=3)
    model = keras.Model([query, value, key], layer(value=value, key=key, query=query))
    projections = 5 * 8 * 6 + 7 * 9 * 6 + 7 * 6 * 6 + 5 * 6 * 8
    assert count_macs(model) == projections + 2 * (2 * 5 * 7 * 3)


def test_axes_that_are_not_attended_to_are_a_batch():
    images = keras.Input((4, 5, 8))
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=3, attention_axes=(2,))
    model = keras.Model(images, layer(images, images))
    assert count_macs(model) == 4 * (4 * 5 * 8 * 6) + 4 * (2 * 2 * 5 * 5 * 3)


def test_group_query_attention():
    query, value, key = keras.Input((5, 8)), keras.Input((7, 8)), keras.Input((7, 9))
    layer = layers.GroupQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)
    model = keras.Model([query, value, key], layer(query, value, key))
    projections = 5 * 8 * (4 * 3) + 7 * (8 + 9) * (2 * 3) + 5 * (4 * 3) * 8
    assert count_macs(model) == projections + 2 * (4 * 5 * 7 * 3)


def test_operation():
    # (batch, positions, heads, depth)
    query, key, value = keras.Input((5, 2, 8)), keras.Input((7, 2, 8)), keras.Input((7, 2, 8))
    model = keras.Model([query, key, value], ops.dot_product_attention(query, key, value))
    assert count_macs(model) == 2 * 5 * 7 * 8 + 2 * 5 * 7 * 8


class SomeHeads(HeadsRule):
    """Half of the heads, and of each a third of the keys' depth: only `weight` says so."""

    depth = np.arange(6) < 2

    def open_heads(self, call):
        return np.arange(4) < 2

    def weight(self, weight, reads, makes, left):
        axes = super().weight(weight, reads, makes, left)
        whole = weight.path.split("/")[-2] in ("attention_output", "value", "gate")
        return axes if whole else (*axes[:-1], self.depth)


@pytest.mark.parametrize("use_gate", [False, True])
def test_products_follow_heads_and_their_depth(use_gate):
    def network(heads, depth, channels):
        query, value = keras.Input((5, 2 * channels)), keras.Input((7, channels))
        layer = layers.MultiHeadAttention(heads, depth, 3, output_shape=8, use_gate=use_gate)
        return keras.Model([query, value], layer(query, value))

    (call,) = read_graph(network(4, 6, 10)).calls
    read = [np.arange(20) < 10, np.arange(10) < 5]
    products = SomeHeads().products(call, Kept(tuple(read), np.ones(8, bool)))
    left = [
        macs * math.prod(axis.mean() for axis in axes if axis is not None)
        for macs, axes in products
    ]
    assert sum(left) == pytest.approx(count_macs(network(2, 2, 5)), rel=1e-12)


def test_gated_heads_cost_one_more_projection():
    x = keras.Input((5, 8))
    plain, gated = (
        layers.MultiHeadAttention(2, 3, value_dim=4, use_gate=gate)(x, x) for gate in (False, True)
    )
    more = count_macs(keras.Model(x, gated)) - count_macs(keras.Model(x, plain))
    assert more == 5 * 8 * (2 * 4)
