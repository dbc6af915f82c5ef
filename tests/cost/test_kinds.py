"""Every kind of layer costs as a function of gates what the cut network costs.

One rule a kind says what is kept; these tests are red where its answers differ: the network that
`materialize` builds, and the MACs and Joules that are counted from gates alone.
"""

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn
from keras_tnn.cost import count_macs, energy, gated_energy, gated_macs
from layer_kinds import NARROWS
from random_weights import randomized


def gated(rank, between):
    """A convolution of 16 filters in four groups, the layer in question, a dense layer."""
    image = keras.Input((6,) * rank + (3,))
    x = getattr(layers, f"Conv{rank}D")(16, 3, padding="same")(image)
    x = layers.Dense(3)(layers.Flatten()(between(x)))
    model = randomized(keras.Model(image, x))
    return tnn.throttle(model, num_groups=4, gate=tnn.gates.DataIndependent)


@pytest.mark.parametrize("name", NARROWS)
def test_gates_cost_what_the_cut_network_costs(name):
    model = gated(*NARROWS[name])
    macs, joules = gated_macs(model), gated_energy(model)
    for pattern in ([1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 1], [1, 1, 1, 1]):
        small = tnn.materialize(model, gates={site.name: pattern for site in macs.sites})
        row = np.array([pattern * len(macs.sites)], "float32")
        assert float(macs(row)[0]) == count_macs(small)
        np.testing.assert_allclose(float(joules(row)[0]), energy(small), rtol=1e-6)  # float32
