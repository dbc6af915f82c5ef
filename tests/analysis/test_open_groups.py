"""Groups are counted by layer, and a block of a network-wide gate counts once."""

import keras
import pytest

import keras_tnn as tnn
from keras_tnn.analysis.open_groups import count_open_groups


def test_channel_groups():
    features, u = keras.Input((6,)), keras.Input((), name="utilization")
    x = tnn.layers.ThrottleableDense(8, num_groups=4)([features, u])
    x = tnn.layers.ThrottleableDense(10, num_groups=10)([x, u])
    model = keras.Model([features, u], keras.layers.Dense(2)(x))
    # d = floor(u (D + 1)): floor(0.5 x 5) of 4 and floor(0.5 x 11) of 10
    assert count_open_groups(model, 0.5) == (2 + 5, 14)
    assert count_open_groups(model, 1.0) == (14, 14)


def test_shared_gate_of_residual_blocks():
    x, u = keras.Input((6,)), keras.Input((), name="utilization")
    blocks = tnn.gates.Nested(num_groups=3)(u)
    outputs = x
    for index in range(3):
        branch = keras.layers.Dense(6)(outputs)
        gated = tnn.layers.ResidualGate(num_groups=3, index=index)([branch, blocks])
        outputs = keras.layers.Add()([outputs, gated])
    model = keras.Model([x, u], outputs)
    assert [count_open_groups(model, k / 3) for k in (1, 2, 3)] == [(1, 3), (2, 3), (3, 3)]


def test_plain_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="no throttled layer"):
        count_open_groups(model, 0.5)
