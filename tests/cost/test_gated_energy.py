"""Energy from gates is that of the network that `materialize` cuts, where nothing is put back."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn
from gated_networks import Gates, built, inverted, locked, normalized, plain
from keras_tnn.cost import EnergyModel, energy
from keras_tnn.cost.gated_cost import gated_energy


def drawn(cost, share, rng):
    """Patterns with the first group of every channel gate open, and the same as one row."""
    patterns = {}
    for site in cost.sites:
        pattern = (rng.random(site.gate.num_groups) < share).astype("float32")
        pattern[: site.gate.min_groups] = 1
        patterns[site.name] = pattern
    return patterns, np.concatenate([*patterns.values()])[None]


@pytest.mark.parametrize("network", [plain, inverted, locked], ids=lambda one: one.__name__)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 1.0])
def test_is_that_of_the_cut_network(network, share):
    model = built(network)
    cost = gated_energy(model)
    patterns, row = drawn(cost, share, np.random.default_rng(int(10 * share)))
    expected = energy(tnn.materialize(model, gates=patterns))
    np.testing.assert_allclose(np.array(cost(row)), [expected], rtol=1e-5)  # float32


def test_a_dense_layer_by_hand():
    """Half of 8 outputs open: 4 x 3 + 3 x 4 MACs; weights, biases, inputs and outputs in bytes."""
    gates, image = Gates(), keras.Input((3,))
    x = gates.channels(layers.Dense(8)(image), num_groups=2)
    model = tnn.ThrottledModel([image, gates.utilization], layers.Dense(3, use_bias=False)(x))
    prices = EnergyModel(dram=1.0, buffer=0.0, register=0.0, mac=100.0, bytes_per_access=1)
    cost = gated_energy(model, prices)
    moved = 4 * ((3 * 4 + 4 + 3 + 4) + (4 * 3 + 4 + 3))
    assert float(cost(np.array([[1.0, 0.0]]))[0]) == moved + 100 * 24


def test_a_closed_block_leaves_no_sum():
    gates, image = Gates(), keras.Input((4, 4, 8))
    branch = normalized(layers.Conv2D(8, 3, padding="same")(image))
    x = layers.Add()([image, gates.block(branch)])
    model = tnn.ThrottledModel([image, gates.utilization], layers.GlobalAveragePooling2D()(x))
    cost = gated_energy(model)
    for z in (0, 1):
        expected = energy(tnn.materialize(model, gates={"g1": [z]}))
        np.testing.assert_allclose(np.array(cost([[float(z)]])), [expected], rtol=1e-6)
