"""Channel shuffle: what goes where, at any rank, and what it is for."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_tnn.layers import ChannelShuffle


def test_channel_c_of_group_g_comes_out_at_c_times_groups_plus_g():
    # ShuffleNet, Figure 1 (c): groups a and b of three channels each.
    a, b = [10, 11, 12], [20, 21, 22]
    shuffled = ChannelShuffle(2)(np.array([a + b]))
    assert shuffled.numpy().tolist() == [[10, 20, 11, 21, 12, 22]]


@given(
    groups=st.integers(1, 4),
    size=st.integers(1, 4),
    spatial=st.lists(st.integers(1, 3), max_size=3),
)
def test_shuffling_with_both_factors_gives_the_input_back(groups, size, spatial):
    x = np.random.default_rng(0).normal(size=(2, *spatial, groups * size)).astype("float32")
    shuffled = ChannelShuffle(groups)(x)
    assert shuffled.shape == x.shape
    np.testing.assert_array_equal(ChannelShuffle(size)(shuffled), x)


def test_one_group_is_the_identity():
    x = np.arange(24, dtype="float32").reshape(2, 3, 4)
    np.testing.assert_array_equal(ChannelShuffle(1)(x), x)


def test_each_group_of_the_next_convolution_reads_all_groups():
    inputs = keras.Input((2, 2, 9))
    outputs = keras.layers.Conv2D(3, 1, groups=3, use_bias=False)(ChannelShuffle(3)(inputs))
    model = keras.Model(inputs, outputs)
    for group in range(3):
        x = np.zeros((1, 2, 2, 9), "float32")
        x[..., 3 * group : 3 * group + 3] = 1
        assert np.all(model.predict(x, verbose=0) != 0)


def test_sizes_may_be_open():
    inputs = keras.Input((None, None, 6))
    outputs = ChannelShuffle(3)(inputs)
    assert outputs.shape == (None, None, None, 6)
    x = np.arange(2 * 3 * 4 * 6, dtype="float32").reshape(2, 3, 4, 6)
    predicted = keras.Model(inputs, outputs).predict(x, verbose=0)
    np.testing.assert_array_equal(predicted, x[..., [0, 2, 4, 1, 3, 5]])


def test_saves_and_loads(tmp_path):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, ChannelShuffle(2)(inputs))
    model.save(tmp_path / "net.keras")
    x = np.arange(6, dtype="float32")[None]
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("groups", [0, -1, 1.5, True, "2"])
def test_refuses_what_is_no_number_of_groups(groups):
    with pytest.raises(ValueError, match="`groups`. Expected a positive integer. Received"):
        ChannelShuffle(groups)


def test_refuses_groups_that_do_not_divide():
    with pytest.raises(ValueError, match="divisor of its 6 channels. Received: groups=4"):
        ChannelShuffle(4)(np.ones((1, 6)))
