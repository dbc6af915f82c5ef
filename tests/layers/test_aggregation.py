"""Channel gate, residual gate and grouped sum against numpy."""

import numpy as np
import pytest

from keras_tnn import gates, layers


def features(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("shape", [(3, 8), (3, 5, 8), (3, 4, 4, 8), (3, 2, 2, 2, 8)])
def test_channel_gate_on_any_rank(shape):
    x, u = features(*shape), np.array([0.25, 0.5, 1.0], "float32")
    mask = np.arange(8) // 2 < np.array([[1], [2], [4]])  # (batch, channels)
    expected = x * mask.reshape(3, *(1,) * (len(shape) - 2), 8)
    np.testing.assert_array_equal(layers.ChannelGate(num_groups=4)([x, u]), expected)


def test_channel_gate_keeps_a_group_by_default():
    x = np.ones((1, 8), "float32")
    assert np.array(layers.ChannelGate(num_groups=4)([x, 0.01])).sum() == 2
    assert np.array(layers.ChannelGate(num_groups=4, min_groups=0)([x, 0.01])).sum() == 0


def test_residual_gate_switches_whole_samples():
    x, u = features(2, 3, 3, 4), np.array([0.4, 0.6], "float32")
    y = np.array(layers.ResidualGate()([x, u]))
    assert np.all(y[0] == 0)
    np.testing.assert_array_equal(y[1], x[1])


def test_residual_gates_share_the_gate_of_the_network():
    u = np.array([0.2, 0.6, 1.0], "float32")
    open_blocks = gates.Nested(3, order=[2, 0, 1])(u)  # floor(4 u) blocks: 0, 2, 3
    x = np.ones((3, 2), "float32")
    rows = [
        np.array(layers.ResidualGate(num_groups=3, index=i)([x, open_blocks]))[:, 0].tolist()
        for i in range(3)
    ]
    assert rows == [[0, 1, 1], [0, 0, 1], [0, 1, 1]]
    with pytest.raises(ValueError, match=r"`index`. Expected an integer in \[0, 3\)"):
        layers.ResidualGate(num_groups=3, index=3)


def test_grouped_sum_is_the_sum_over_open_branches():
    x, u = features(2, 3, 3, 12), np.array([0.5, 1.0], "float32")
    branches = x.reshape(2, 3, 3, 4, 3)
    expected = np.stack([branches[0, :, :, :2].sum(2), branches[1].sum(2)])
    # One float32 rounding a term; the order of the sum may differ.
    np.testing.assert_allclose(layers.GroupedSum(num_groups=4)([x, u]), expected, atol=1e-6)


def test_normalised_grouped_sum_is_a_mean():
    # hostetler2019, Eq. 3
    x = features(1, 6)
    layer = layers.GroupedSum(gate=gates.Nested(3, normalize=True))
    expected = x.reshape(1, 3, 2)[:, :2].mean(axis=1)
    np.testing.assert_allclose(layer([x, 0.6]), expected, atol=1e-6)  # float32 rounding
