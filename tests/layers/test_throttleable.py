import keras
import numpy as np
import pytest

from keras_tnn import gates, layers

# (layer, plain Keras layer, arguments, shape of the features)
KINDS = [
    (layers.ThrottleableConv1D, keras.layers.Conv1D, (8, 3), (2, 6, 3)),
    (layers.ThrottleableConv2D, keras.layers.Conv2D, (8, 3), (2, 6, 6, 3)),
    (layers.ThrottleableConv3D, keras.layers.Conv3D, (8, 3), (2, 4, 4, 4, 3)),
    (layers.ThrottleableDepthwiseConv2D, keras.layers.DepthwiseConv2D, (3,), (2, 6, 6, 8)),
    (layers.ThrottleableSeparableConv2D, keras.layers.SeparableConv2D, (8, 3), (2, 6, 6, 3)),
    (layers.ThrottleableDense, keras.layers.Dense, (8,), (2, 5)),
]


def features(shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize(("kind", "plain", "arguments", "shape"), KINDS)
def test_full_utilization_is_the_plain_layer(kind, plain, arguments, shape):
    x = features(shape)
    throttled, reference = kind(*arguments, num_groups=4), plain(*arguments)
    reference(x)
    throttled([x, 1.0])
    throttled.set_weights(reference.get_weights())
    np.testing.assert_array_equal(throttled([x, 1.0]), reference(x))


@pytest.mark.parametrize(("kind", "plain", "arguments", "shape"), KINDS)
def test_closed_groups_are_zero_and_open_ones_untouched(kind, plain, arguments, shape):
    x = features(shape)
    layer = kind(*arguments, num_groups=4, activation="sigmoid")  # sigmoid(0) is not 0
    full = np.array(layer([x, 1.0]))
    half = np.array(layer([x, np.array([0.5, 1.0], "float32")]))
    assert np.all(half[0, ..., 4:] == 0)
    np.testing.assert_array_equal(half[0, ..., :4], full[0, ..., :4])
    np.testing.assert_array_equal(half[1], full[1])


def test_a_gate_can_be_given():
    layer = layers.ThrottleableDense(8, gate=gates.Nested(4, order=[3, 2, 1, 0]))
    y = np.array(layer([features((1, 5)), 0.25]))
    assert np.all(y[:, :6] == 0) and np.all(y[:, 6:] != 0)


def test_gates_decided_elsewhere_take_the_place_of_utilization():
    layer = layers.ThrottleableDense(4, num_groups=2)
    y = np.array(layer([features((1, 5)), np.array([[0.0, 1.0]], "float32")]))
    assert np.all(y[:, :2] == 0) and np.all(y[:, 2:] != 0)
    with pytest.raises(ValueError, match=r"Expected gates of shape \(batch, 2\)"):
        layer([features((1, 5)), np.ones((1, 3), "float32")])


def test_refuses_what_does_not_fit():
    x = features((1, 6, 6, 3))
    with pytest.raises(ValueError, match="Expected a divisor of its 9 channels"):
        layers.ThrottleableConv2D(9, 3, num_groups=4)([x, 0.5])
    with pytest.raises(ValueError, match="needs `num_groups` or `gate`"):
        layers.ThrottleableConv2D(8, 3)
    with pytest.raises(ValueError, match="`gate`. Expected a keras_tnn.gates.Gate"):
        layers.ThrottleableConv2D(8, 3, gate="nested")
    with pytest.raises(ValueError, match="Expected 4, as in `gate`"):
        layers.ThrottleableConv2D(8, 3, num_groups=2, gate=gates.Nested(4))
    with pytest.raises(ValueError, match="Expected 'channels_last'"):
        layers.ThrottleableConv2D(8, 3, num_groups=4, data_format="channels_first")([x, 0.5])
    with pytest.raises(ValueError, match=r"is called on \[features, utilization\]"):
        layers.ChannelGate(num_groups=3)([x, x, x])
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]"):
        layers.ThrottleableConv2D(8, 3, num_groups=4)([x, 1.5])
