import keras
import numpy as np
import pytest

from keras_tnn import ThrottledModel, materialize
from keras_tnn.layers import (
    ChannelGate,
    ThrottleableGroupNormalization,
    ThrottleableLayerNormalization,
    ThrottleableRMSNormalization,
)
from keras_tnn.throttling.gated_copy import OPEN

X = np.random.default_rng(0).normal(3, 2, size=(2, 5, 8)).astype("float32")


def randomized(layer):
    layer([X, 1.0]) if isinstance(layer, ThrottleableLayerNormalization) else layer(X)
    layer.set_weights([np.arange(1, 9) / 4, np.arange(8) - 3])
    return layer


def test_full_utilization_is_the_plain_layer():
    throttled = randomized(ThrottleableLayerNormalization(num_groups=4, epsilon=1e-5))
    plain = randomized(keras.layers.LayerNormalization(epsilon=1e-5))
    # The same sums in another order, of values up to about 10.
    np.testing.assert_allclose(throttled([X, 1.0]), plain(X), rtol=1e-6, atol=5e-6)


def test_open_channels_are_normalised_among_themselves():
    """Against numpy; the second sample is whole, and what closed channels hold plays no part."""
    layer = randomized(ThrottleableLayerNormalization(num_groups=4, epsilon=1e-5))
    y = np.array(layer([X, np.array([0.5, 1.0], "float32")]))
    for sample, channels in ((0, 4), (1, 8)):
        x = X[sample, :, :channels]
        z = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        gamma, beta = np.arange(1, channels + 1) / 4, np.arange(channels) - 3
        np.testing.assert_allclose(y[sample, :, :channels], gamma * z + beta, rtol=1e-4, atol=1e-5)
    assert not y[0, :, 4:].any()
    other = X.copy()
    other[0, :, 4:] = 1e6
    np.testing.assert_array_equal(layer([other, np.array([0.5, 1.0], "float32")])[0], y[0])


def test_channel_groups_may_be_any():
    groups = [0, 1, -1, 0, 1, 1, 0, -1]
    layer = ThrottleableLayerNormalization(num_groups=2, channel_groups=groups)
    assert (np.array(layer([X, 0.5]))[0, 0] != 0).tolist() == [g in (0, -1) for g in groups]


@pytest.mark.parametrize("kind", [ChannelGate, ThrottleableLayerNormalization])
@pytest.mark.parametrize("groups", [[0, 1], [0, 1, 2, 3, 4, 0, 0, 0], [-2] * 8])
def test_refuses_groups_that_do_not_fit(kind, groups):
    layer = kind(num_groups=4, channel_groups=groups)
    with pytest.raises(ValueError, match=r"Expected 8 integers in \[-1, 4\), one a channel"):
        layer([X, 0.5])


IMAGES = np.random.default_rng(1).normal(3, 2, size=(2, 4, 5, 8)).astype("float32")


@pytest.mark.parametrize(
    "kind, options, channel_axis",
    [
        (keras.layers.LayerNormalization, {"axis": (1, 3)}, -1),
        (keras.layers.LayerNormalization, {"axis": 1}, 1),
        (keras.layers.RMSNormalization, {}, -1),
        (keras.layers.RMSNormalization, {"axis": (2, 3)}, -1),
        (keras.layers.GroupNormalization, {"groups": 2}, -1),
        (keras.layers.GroupNormalization, {"groups": 2, "axis": 1}, 1),
    ],
)
def test_open_channels_are_normalised_as_if_there_were_no_others(kind, options, channel_axis):
    """The plain layer on the channels that are open: half of each half."""
    x = np.moveaxis(IMAGES, -1, channel_axis)
    groups = {"channel_groups": [0, 0, 1, 1] * 2, "channel_axis": channel_axis}
    throttled = OPEN[kind](num_groups=2, **groups, **options)
    found = np.moveaxis(np.array(throttled([x, 0.5])), channel_axis, -1)
    expected = np.array(kind(**options)(x.take([0, 1, 4, 5], channel_axis)))
    # The same sums in another order.
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(
        found[..., [0, 1, 4, 5]], np.moveaxis(expected, channel_axis, -1), **close
    )
    assert not found[..., [2, 3, 6, 7]].any()
    np.testing.assert_allclose(throttled([x, 1.0]), kind(**options)(x), **close)


def test_refuses_axes_without_the_channels():
    layer = ThrottleableLayerNormalization(num_groups=4, axis=1)
    with pytest.raises(ValueError, match="Expected `channel_axis` among the axes"):
        layer([X, 0.5])


def test_refuses_axes_that_keras_does_not_scale():
    layer = ThrottleableRMSNormalization(num_groups=4, axis=1, channel_axis=1)
    with pytest.raises(ValueError, match="scales the last axes, as its Keras layer does"):
        layer([IMAGES, 0.5])


def test_groups_that_open_differently_are_not_cut():
    image, u = keras.Input((8,)), keras.Input((), name="utilization", optional=True)
    x = ThrottleableGroupNormalization(2, num_groups=4)([keras.layers.Dense(8)(image), u])
    model = ThrottledModel([image, u], keras.layers.Dense(2)(x))
    with pytest.raises(ValueError, match=r"have \[4, 2\] open channels. Expected equally many"):
        materialize(model, 0.75)
