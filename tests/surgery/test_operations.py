"""Networks that are written with `keras.ops` between their layers, as real ones are."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

import keras_tnn as tnn
from random_weights import randomized

IMAGES = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype("float32")


def network(between) -> keras.Model:
    """A convolution of 16 filters, what stands between, and a classifier."""
    image = keras.Input((8, 8, 3))
    x = between(layers.Conv2D(16, 3, padding="same", activation="relu", name="before")(image))
    x = layers.Dense(8, "relu")(layers.Flatten()(x))
    return randomized(keras.Model(image, layers.Dense(3)(x)))


def outputs(model, inputs) -> np.ndarray:
    return ops.convert_to_numpy(model(inputs, training=False))


def assert_exact(model, levels=(0.3, 0.5)) -> keras.Model:
    """A dial leaves the model as it is at 1; below, the cut network is the masked one and cheaper.

    Returns the last level.
    """
    dialled = tnn.throttle(model, num_groups=4, strict=True)
    np.testing.assert_allclose(outputs(dialled, IMAGES), outputs(model, IMAGES), rtol=0, atol=1e-6)
    assert tnn.count_macs(dialled) <= tnn.count_macs(model)  # what nobody reads is gone
    for u in levels:
        small = tnn.materialize(dialled, u)
        masked = outputs(dialled, [IMAGES, np.full(2, u, "float32")])
        # Float32 sums of some hundred terms in another order.
        np.testing.assert_allclose(outputs(small, IMAGES), masked, rtol=1e-4, atol=1e-4)
        assert tnn.count_macs(small) < tnn.count_macs(model)
    return small


def conv(x, filters=8):
    return layers.Conv2D(filters, 3, padding="same")(x)


def cross_stage(x):
    """CSPNet: half of the channels pass by."""
    aside, x = ops.split(x, 2, axis=-1)
    return ops.concatenate([aside, conv(layers.BatchNormalization()(conv(x)))], axis=-1)


def shuffled(x, groups=2):
    """ShuffleNet's channel shuffle."""
    *sizes, channels = x.shape[1:]
    x = ops.reshape(x, (-1, *sizes, groups, channels // groups))
    return ops.reshape(ops.transpose(x, (0, 1, 2, 4, 3)), (-1, *sizes, channels))


def shuffle_unit(x):
    """ShuffleNetV2: one half passes by, then the channels are shuffled."""
    aside, x = x[..., :8], x[..., 8:]
    x = layers.DepthwiseConv2D(3, padding="same")(layers.Conv2D(8, 1, activation="relu")(x))
    return shuffled(ops.concatenate([aside, layers.Conv2D(8, 1)(x)], axis=-1))


def shifted_windows(x):
    """Swin: roll, cut into windows, work in them, put them together again, roll back."""
    x = ops.roll(x, (-2, -2), axis=(1, 2))
    x = ops.reshape(x, (-1, 2, 4, 2, 4, 16))
    windows = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 16, 16))
    windows = windows + layers.Dense(16)(layers.Dense(8, "gelu")(windows))
    x = ops.transpose(ops.reshape(windows, (-1, 2, 2, 4, 4, 16)), (0, 1, 3, 2, 4, 5))
    return ops.roll(ops.reshape(x, (-1, 8, 8, 16)), (2, 2), axis=(1, 2))


def stacked_in_front(x):
    """Swin: queries, keys and values of one projection, for a moment in front of the samples."""
    rows = ops.reshape(x, (-1, 64, 16))
    parts = ops.reshape(layers.Dense(48)(rows), (-1, 64, 3, 2, 8))
    query, key, value = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), 3, axis=0)
    made = ops.transpose(ops.sigmoid(query * key) * value, (0, 2, 1, 3))  # (batch, 64, 2, 8)
    rows = rows + layers.Dense(16)(ops.reshape(made, (-1, 64, 16)))
    return ops.reshape(rows + layers.Dense(16)(layers.Dense(32)(rows)), (-1, 8, 8, 16))


def heads_by_products(x):
    """Swin's and MiT's own attention: heads by reshapes, scores and sums by `matmul`."""
    rows = ops.reshape(x, (-1, 64, 16))
    parts = ops.transpose(ops.reshape(layers.Dense(48)(rows), (-1, 64, 3, 2, 8)), (2, 0, 3, 1, 4))
    query, key, value = parts[0], parts[1], parts[2]  # (batch, 2, 64, 8) each
    scores = ops.softmax(ops.matmul(query * 8**-0.5, ops.transpose(key, (0, 1, 3, 2))))
    made = ops.transpose(ops.matmul(scores, value), (0, 2, 1, 3))
    rows = rows + layers.Dense(16)(ops.reshape(made, (-1, 64, 16)))
    return ops.reshape(rows + layers.Dense(16)(layers.Dense(32)(rows)), (-1, 8, 8, 16))


def heads_by_letters(x):
    """The same in `einsum`, with the heads in another place."""
    rows = ops.reshape(x, (-1, 64, 16))
    query, key, value = (ops.reshape(layers.Dense(16)(rows), (-1, 64, 2, 8)) for _ in range(3))
    scores = ops.softmax(ops.einsum("bqhd,bkhd->bhqk", query, key))
    made = ops.einsum("bhqk,bkhd->bqhd", scores, value)
    rows = rows + layers.Dense(16)(ops.reshape(made, (-1, 64, 16)))
    return ops.reshape(rows, (-1, 8, 8, 16))


def pyramid(x):
    """FPN: what is deep is made larger and added to what is shallow."""
    deep = layers.Conv2D(16, 3, strides=2, padding="same")(x)
    return layers.Conv2D(16, 1)(x) + ops.repeat(ops.repeat(deep, 2, axis=1), 2, axis=2)


def spatial_pyramid(x):
    """YOLO: one tensor pooled by several windows, side by side."""
    x = layers.Conv2D(8, 1)(x)
    pooled = [ops.max_pool(x, size, 1, "same") for size in (3, 5)]
    return layers.Conv2D(8, 1)(ops.concatenate([x, *pooled], axis=-1))


def focus(x):
    """YOLOv5: every second pixel, four times."""
    parts = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return conv(ops.concatenate(parts, axis=-1))


def shortcut_a(x):
    """CIFAR ResNet, option A: new channels of the shortcut are zeros."""
    zeros = ops.pad(x[:, ::2, ::2], [[0, 0], [0, 0], [0, 0], [8, 8]])
    return layers.Conv2D(32, 3, strides=2, padding="same")(x) + zeros


def detector(x):
    """Boxes of two sizes of features, one behind another."""
    parts = [conv(x, 12), conv(layers.MaxPooling2D()(x), 12)]
    return ops.concatenate(
        [ops.reshape(part, (-1, n, 4)) for part, n in zip(parts, (192, 48), strict=True)], 1
    )


def pixel_shuffle(x):
    """Super-resolution: channels become positions, by reshapes."""
    x = ops.reshape(conv(x, 32), (-1, 8, 8, 2, 2, 8))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 16, 16, 8))


def gated_unit(x):
    """A split with an activation of one half as the factor of the other."""
    value, gate = ops.split(conv(x, 32), 2, axis=-1)
    return value * ops.sigmoid(gate)


def heads(x):
    """Queries of several heads, narrowed alike."""
    x = ops.transpose(ops.reshape(layers.Dense(16)(x), (-1, 64, 2, 8)), (0, 2, 1, 3))
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, 8, 8, 16))


def turned_slice(x):
    """Rows and channels in one index, the last channel first."""
    return conv(x[:, None, 0, ::2, 11:3:-1][:, 0, :, None])


BLOCKS = {
    one.__name__: one
    for one in (
        cross_stage, shuffle_unit, shifted_windows, stacked_in_front, pyramid, spatial_pyramid,
        focus, shortcut_a, detector, pixel_shuffle, gated_unit, heads, turned_slice, shuffled,
        heads_by_products, heads_by_letters,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_operations_of_real_networks_are_followed(name):
    if name == "turned_slice" and keras.backend.backend() == "torch":
        pytest.skip("torch slices forwards only")
    assert_exact(network(BLOCKS[name]))


SAME_SHAPE = ("cross_stage", "shuffle_unit", "shifted_windows", "pyramid", "gated_unit", "heads")


@settings(max_examples=5)
@given(st.lists(st.sampled_from(SAME_SHAPE), min_size=2, max_size=3), st.sampled_from([0.3, 0.7]))
def test_any_of_them_behind_another(names, u):
    def between(x):
        for name in names:
            x = BLOCKS[name](x)
        return x

    assert_exact(network(between), (u,))


def test_gates_reach_what_stands_in_front_of_the_samples_for_a_moment():
    small = assert_exact(network(stacked_in_front), (0.5,))
    units = [x.units for x in small.layers if isinstance(x, layers.Dense)]
    assert units == [24, 8, 4, 3]  # of 48, 16, 8 and 3; the second branch is closed


@pytest.mark.parametrize("attend", [heads_by_products, heads_by_letters])
def test_heads_that_are_written_with_products_become_narrower(attend):
    small = assert_exact(network(attend), (0.5,))
    units = [x.units for x in small.layers if isinstance(x, layers.Dense)]
    # Half of queries, keys and values, in every head, and of the channels around them.
    assert units[:-2] == ([24, 8] if attend is heads_by_products else [8, 8, 8, 8])


def test_every_part_of_a_split_becomes_narrower():
    small = assert_exact(network(cross_stage), (0.5,))
    (split,) = [x for x in small.operations if type(x).__name__ == "Split"]
    assert [x.shape[-1] for x in split.output] == [4, 4]


@pytest.mark.parametrize("first", [True, False])
def test_a_split_of_which_one_part_is_read_is_gone(first):
    small = assert_exact(network(lambda x: conv(ops.split(x, 2, axis=-1)[0 if first else 1])))
    assert not [x for x in small.operations if type(x).__name__ == "Split"]


def test_a_sum_keeps_its_shape_where_the_larger_term_is_closed():
    image, u = keras.Input((8, 8, 3)), keras.Input((), name="utilization", optional=True)
    gate = tnn.gates.Nested(4, min_groups=0)
    large = tnn.layers.ChannelGate(gate=gate)([layers.Conv2D(8, 1)(image), u])
    x = layers.Add()([large, layers.Conv2D(8, 8)(image)])
    model = randomized(tnn.ThrottledModel([image, u], layers.Dense(3)(layers.Flatten()(x))))
    masked = outputs(model, [IMAGES, np.full(2, 0.1, "float32")])
    small = tnn.materialize(model, 0.1)
    np.testing.assert_allclose(outputs(small, IMAGES), masked, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "between",
    [
        lambda x: layers.Dense(4)(ops.transpose(x, (0, 3, 1, 2))),
        lambda x: ops.unstack(x, axis=-1)[0],
        lambda x: layers.Conv2D(4, 3, data_format="channels_first")(x),
        lambda x: layers.MaxPooling2D(data_format="channels_first")(x),
        lambda x: layers.BatchNormalization(axis=1)(x),
        lambda x: layers.LayerNormalization(axis=(1, 2))(x),
    ],
)
def test_channels_that_are_read_along_another_axis_are_said_to_stay_whole(between):
    with pytest.raises(ValueError, match="No rule is known for the layers"):
        tnn.throttle(network(between), num_groups=4, strict=True)


@keras.saving.register_keras_serializable("test_operations")
def quick_gelu(x):
    return x * ops.sigmoid(1.702 * x)


@keras.saving.register_keras_serializable("test_operations")
def shares(x):
    return x / ops.sum(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("function", [quick_gelu, shares])
def test_a_function_of_ones_own_is_an_activation_if_it_takes_each_entry_by_itself(function):
    conv = layers.Conv2D(16, 3, activation="relu", name="mixes")
    model = network(lambda x: conv(layers.Activation(function)(1 + x)))
    small = tnn.materialize(tnn.throttle(model, num_groups=4, axes=("width",)), 0.5)
    assert small.get_layer("before").filters == (8 if function is quick_gelu else 16)
    if function is quick_gelu:
        assert_exact(model)


def test_attention_of_heads_that_are_written_out():
    def attend(x):
        qkv = ops.reshape(layers.Conv2D(24, 1, name="qkv")(x), (-1, 64, 2, 12))
        query, key, value = ops.split(qkv, 3, axis=-1)
        x = ops.dot_product_attention(query + 1, key, value)
        return layers.Conv2D(8, 1)(ops.reshape(x, (-1, 8, 8, 8)))

    small = assert_exact(network(attend))
    assert small.get_layer("qkv").filters == 12


def test_attention_that_is_written_as_einsum():
    def attend(x):
        x = ops.reshape(x, (-1, 64, 16))
        query, key, value = (
            layers.EinsumDense("btc,chd->bthd", (None, 2, 8), bias_axes="hd", name=name)(x)
            for name in ("query", "key", "value")
        )
        weights = ops.softmax(ops.einsum("bqhd,bkhd->bhqk", query / 2, key))
        x = ops.einsum("bhqk,bkhd->bqhd", weights, value)
        x = layers.EinsumDense("bthd,hdo->bto", (None, 8), bias_axes="o")(x)
        return ops.reshape(x, (-1, 8, 8, 8))

    small = assert_exact(network(attend))
    assert [small.get_layer(x).kernel.shape for x in ("query", "value")] == [(8, 2, 4)] * 2
