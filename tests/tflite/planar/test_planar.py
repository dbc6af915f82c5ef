"""3-D layers written with 2-D ones compute what Keras computes in 3-D."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

import keras_tnn
from tnn_tflite.planar import Clip, per_position, rewrites, to_planar
from tnn_tflite.planar.reach import Reach

PADDINGS = st.sampled_from(["same", "valid"])


def one_to(*most: int):
    """Integers for time, height and width, each from one to its bound."""
    return st.tuples(*(st.integers(1, bound) for bound in most))


def random_weights(model):
    """Weights that hide nothing: no zeros, ones or positive variances by chance."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.uniform(0.2, 0.8, weight.shape) * random.choice([-1, 1], weight.shape))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_variance.assign(random.uniform(0.5, 1.5, layer.moving_variance.shape))
    return model


def clips(model, count=2):
    shape = (count, *model.inputs[0].shape[1:])
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def assert_same_outputs(model, planar):
    """Equal up to the order of float32 sums, relative to the largest entry."""
    x = clips(model)
    expected = keras.tree.flatten(model(x, training=False))
    received = keras.tree.flatten(planar(x, training=False))
    for one, other in zip(expected, received, strict=True):
        one, other = np.array(one), np.array(other)
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5 * np.abs(one).max())


def is_flat(model) -> bool:
    """Whether every kernel is that of a 2-D or dense layer."""
    return all(len(weight.shape) <= 4 for weight in model.weights)


def single(layer, shape):
    clip = keras.Input(shape, name="clip")
    return random_weights(keras.Model(clip, layer(clip)))


def check_alone(layer, shape):
    model = single(layer, shape)
    planar = to_planar(model)
    assert is_flat(planar)
    assert planar.output_shape == model.output_shape
    assert planar.output_names == model.output_names
    assert_same_outputs(model, planar)


@st.composite
def convolutions(draw, most_groups=1):
    """Arguments of a Conv3D and the shape of a clip that it fits."""
    kernel, padding = draw(one_to(4, 3, 3)), draw(PADDINGS)
    dilated = draw(st.booleans())  # Keras has no layer that is both dilated and strided
    strides = (1, 1, 1) if dilated else draw(one_to(3, 2, 3))
    dilation = draw(one_to(3, 2, 2)) if dilated else (1, 1, 1)
    span = [(size - 1) * rate + 1 for size, rate in zip(kernel, dilation, strict=True)]
    least = span if padding == "valid" else [1, 1, 1]
    clip = tuple(low + draw(st.integers(0, 4)) for low in least)
    groups = draw(st.integers(min(2, most_groups), most_groups))
    arguments = {
        "filters": groups * draw(st.integers(1, 2)),
        "kernel_size": kernel,
        "strides": strides,
        "dilation_rate": dilation,
        "padding": padding,
        "groups": groups,
        "use_bias": draw(st.booleans()),
        "activation": draw(st.sampled_from([None, "relu", "tanh"])),
    }
    # With one channel, strides and a narrow clip TensorFlow's oneDNN kernels read memory that
    # nobody wrote, in 2-D and in 3-D. Grouped convolutions do not run on them.
    depth = draw(st.sampled_from([1, 2, 5] if groups > 1 else [2, 3, 5]))
    return arguments, (*clip, groups * depth)


@given(convolutions())
@settings(max_examples=40)
def test_convolution(case):
    arguments, shape = case
    check_alone(layers.Conv3D(**arguments), shape)


def test_one_channel():
    for padding in ("same", "valid"):
        check_alone(layers.Conv3D(2, (2, 3, 2), padding=padding), (3, 5, 4, 1))


def test_a_kernel_that_reads_nothing_but_padding():
    for arguments in ({"groups": 1}, {"groups": 2}, {"groups": 2, "filters": 2}):
        arguments = {"filters": 4, "kernel_size": 2, "dilation_rate": 3, **arguments}
        check_alone(layers.Conv3D(padding="same", **arguments), (1, 1, 4, 2))


@given(convolutions(most_groups=3))
@settings(max_examples=20)  # Keras compiles each of these by itself
def test_grouped_and_depthwise_convolution(case):
    arguments, shape = case
    check_alone(layers.Conv3D(**arguments), shape)


@given(
    st.sampled_from([layers.MaxPooling3D, layers.AveragePooling3D]),
    one_to(3, 3, 3),
    st.none() | one_to(3, 2, 3),
    PADDINGS,
    one_to(4, 4, 4),
)
@settings(max_examples=40)
def test_pooling(kind, window, strides, padding, extra):
    """The clip holds the window at least once, so that "valid" leaves something."""
    shape = (*(low + more - 1 for low, more in zip(window, extra, strict=True)), 2)
    check_alone(kind(window, strides, padding), shape)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("kind", [layers.GlobalMaxPooling3D, layers.GlobalAveragePooling3D])
def test_global_pooling(kind, keepdims):
    check_alone(kind(keepdims=keepdims), (3, 4, 5, 2))


@pytest.mark.parametrize(
    "layer",
    [
        layers.ZeroPadding3D(((1, 2), (0, 3), (4, 0))),
        layers.ZeroPadding3D(((0, 1), (0, 0), (0, 0))),
        layers.Cropping3D(((1, 0), (0, 2), (1, 1))),
        layers.Cropping3D(((0, 0), (0, 2), (0, 0))),
        layers.UpSampling3D((2, 1, 3)),
        layers.UpSampling3D((1, 2, 2)),
    ],
    ids=lambda layer: f"{layer.name}",
)
def test_padding_cropping_and_up_sampling(layer):
    check_alone(layer, (3, 4, 5, 2))


def test_the_weights_are_those_of_the_layer():
    """Three taps of eight channels are 24 channels; nothing is stored twice."""
    model = single(layers.Conv3D(5, (3, 2, 1)), (4, 6, 6, 8))
    kernel = to_planar(model).weights[0]
    assert kernel.shape == (2, 1, 3 * 8, 5)
    taps = np.array(kernel).reshape(2, 1, 3, 8, 5)
    np.testing.assert_array_equal(taps[:, :, 1], np.array(model.weights[0])[1])


def test_few_channels_take_in_the_rows_as_well():
    """3 frames and 2 rows of RGB are 18 channels: fast integer kernels take 8 at a time."""
    model = single(layers.Conv3D(5, (3, 2, 1)), (4, 6, 6, 3))
    kernel = to_planar(model).weights[0]
    assert kernel.shape == (1, 1, 3 * 2 * 3, 5)
    taps = np.array(kernel).reshape(1, 1, 3, 2, 3, 5)
    np.testing.assert_array_equal(taps[0, 0, 1, 1], np.array(model.weights[0])[1, 1, 0])


def test_taps_that_read_padding_alone_are_left_out():
    """One frame, "same" padding: of three taps two read zeros. With two frames all read some."""
    for frames, taps in ((1, 1), (2, 3)):
        planar = to_planar(single(layers.Conv3D(5, 3, padding="same"), (frames, 6, 6, 16)))
        assert planar.weights[0].shape == (3, 3, taps * 16, 5)


@pytest.mark.parametrize(
    "arguments, size, reach",
    [
        # Outputs 0, 1, 2 of a kernel of 3 in strides of 2 read -1 to 1, 1 to 3 and 3 to 5.
        ({"strides": 2, "padding": "same"}, 5, Reach((0, 1, 2), (-1, 0, 1), 2, 3, 5)),
        # One zero in all, and TensorFlow puts the odd one behind: 0 to 2, 2 to 4.
        ({"strides": 2, "padding": "same"}, 4, Reach((0, 1, 2), (0, 1, 2), 2, 2, 4)),
        ({"strides": 2}, 6, Reach((0, 1, 2), (0, 1, 2), 2, 2, 6)),
        # Every second entry: output 0 reads -2, 0 and 2, of which an axis of 2 has the middle.
        ({"dilation_rate": 2, "padding": "same"}, 2, Reach((1,), (0,), 1, 2, 2)),
        # Output 0 reads -3, 0 and 3; of a kernel of two, -1 and 2: nothing but zeros.
        ({"dilation_rate": 3, "padding": "same"}, 1, Reach((1,), (0,), 1, 1, 1)),
        ({"dilation_rate": 3, "padding": "same", "kernel_size": 2}, 1, Reach((0,), (-1,), 1, 1, 1)),
        ({"dilation_rate": 2}, 6, Reach((0, 1, 2), (0, 2, 4), 1, 2, 6)),
    ],
)
def test_reach(arguments, size, reach):
    for axis in (0, 1):
        layer = layers.Conv3D(1, **{"kernel_size": 3, **arguments})
        assert Reach.of(layer, axis, size) == reach


def mixing_frames(x):
    return x - keras.ops.mean(x, axis=1, keepdims=True)


def every_kind(x):
    """Branches of all shapes, through every family of layers."""
    shared = layers.Conv3D(8, (2, 1, 1), padding="same", name="shared")
    x = shared(layers.Conv3D(8, 3, padding="same", use_bias=False)(x))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Conv3D(8, 3, padding="same", groups=8)(layers.Dropout(0.5)(x))
    y = keras_tnn.layers.ChannelShuffle(2)(layers.LayerNormalization()(y))
    squeezed = layers.Reshape((1, 1, 1, 8))(layers.GlobalAveragePooling3D()(y))
    y = layers.Multiply()([y, layers.Dense(8, activation="sigmoid")(squeezed)])
    x = layers.Concatenate()([layers.Add()([shared(x), y]), y])
    x = layers.Concatenate(axis=1)([x, layers.Permute((1, 3, 2, 4))(x)])
    x = keras.ops.abs(x) * np.arange(1, 17, dtype="float32")
    x = layers.PReLU()(layers.Conv3D(4, 1, activation=mixing_frames)(x))
    x = layers.Activation(mixing_frames)(layers.BatchNormalization(axis=2)(x))
    return layers.Softmax(axis=1)(layers.AveragePooling3D(2, padding="same")(x))


def test_networks():
    clip, weight = keras.Input((5, 6, 6, 3), name="clip"), keras.Input((), name="weight")
    x = every_kind(clip)
    flat = layers.Dense(3, name="classes")(layers.Flatten()(x))
    scaled = keras.ops.expand_dims(weight, -1) * flat
    model = random_weights(keras.Model({"clip": clip, "weight": weight}, [x, flat, scaled]))
    planar = to_planar(model)
    assert [x.name for x in planar.inputs] == [x.name for x in model.inputs]
    assert planar.output_names == model.output_names
    assert not {layers.Conv3D, layers.AveragePooling3D} & {type(layer) for layer in planar.layers}
    x = {"clip": clips(model), "weight": np.array([2, -3], "float32")}
    for one, other in zip(model(x), planar(x), strict=True):
        # Outputs of softmax and of dense layers on them: some tens of float32 steps.
        np.testing.assert_allclose(np.array(other), np.array(one), rtol=1e-4, atol=1e-5)


def test_nested_models_and_dictionaries_keep_their_names():
    inner = keras.Sequential([keras.Input((4, 6, 6, 3)), layers.Conv3D(2, 3)], name="stem")
    clip = keras.Input((4, 6, 6, 3), name="clip")
    for outputs in (inner(clip), {"b": inner(clip), "a": layers.Flatten(name="flat")(clip)}):
        model = random_weights(keras.Model(clip, outputs))
        planar = to_planar(model)
        assert is_flat(planar)
        assert planar.output_names == model.output_names
        assert keras.tree.map_structure(lambda x: x.shape, planar.output) == (
            keras.tree.map_structure(lambda x: x.shape, model.output)
        )
        assert_same_outputs(model, planar)


def test_names_of_a_loaded_model_do_not_clash():
    """In a new process Keras numbers its layers anew, and the model brings such names."""
    clip = keras.Input((3, 4, 4, 2))
    x = layers.MaxPooling3D(1, name="lambda")(layers.Conv3D(3, 3, padding="same")(clip))
    x = layers.Flatten(name="concatenate")(x)
    x = layers.Dense(2, name="conv2d")(layers.Reshape((-1,), name="zero_padding2d")(x))
    model = keras.Model(clip, layers.Activation("relu", name="reshape")(x))
    keras.utils.clear_session()
    assert_same_outputs(model, to_planar(model))


def test_models_without_3d_layers_stay_the_very_same():
    """Channel shuffles and gates sum over a fifth axis in 2-D networks as well."""
    image = keras.Input((8, 8, 4))
    x = layers.Reshape((8, 8, 2, 2))(layers.Conv2D(4, 3, padding="same")(image))
    model = keras.Model(image, layers.UnitNormalization()(x))
    assert to_planar(model) is model


def test_the_model_is_left_as_it_is():
    model = single(layers.Conv3D(5, 3), (4, 6, 6, 4))
    before = [np.array(weight) for weight in model.weights]
    for weight in to_planar(model).weights:
        weight.assign(keras.ops.zeros_like(weight))
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_layer_of_ones_own():
    class Sorted(layers.Layer):
        def call(self, inputs):
            return ops.take_along_axis(inputs, ops.argsort(inputs, axis=-1), axis=-1)

    clip = keras.Input((3, 4, 4, 2))
    model = keras.Model(clip, layers.Conv3D(2, 2)(Sorted(name="sorted")(clip)))
    expected = "Expected layers on clips .* Conv3D, .* Received: layer 'sorted' of class Sorted"
    with pytest.raises(ValueError, match=expected):
        to_planar(model)
    rewrites(Sorted)(per_position)
    assert_same_outputs(model, to_planar(model))


def test_a_subclass_may_compute_something_else():
    """A gated convolution in place of the plain one would lose its gate without a word."""
    clip, u = keras.Input((3, 4, 4, 2)), keras.Input((), name="utilization")
    gated = keras_tnn.layers.ThrottleableConv3D(4, 3, padding="same", num_groups=2, name="gated")
    model = keras.Model([clip, u], layers.MaxPooling3D(2)(gated([clip, u])))
    with pytest.raises(ValueError, match="layer 'gated' of class ThrottleableConv3D"):
        to_planar(model)


@pytest.mark.parametrize(
    "layer",
    [layers.Conv3D(2, 1, data_format="channels_first", name="turned")]
    + [layers.GlobalMaxPooling3D(data_format="channels_first", name="turned")],
)
def test_channels_first(layer):
    clip = keras.Input((3, 4, 4, 2))
    with pytest.raises(ValueError, match="Received: layer 'turned' with data_format='channels_fi"):
        to_planar(keras.Model(clip, layer(clip)))


def test_a_clip_is_a_batch_of_frames():
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5, 1)
    tensor = keras.Input((3, 4, 5, 1))
    clip = Clip.of(tensor)
    assert (clip.count, clip.shape) == (3, (3, 4, 5, 1))
    frames, back = keras.Model(tensor, [clip.frames, clip.whole()])(values)
    np.testing.assert_array_equal(frames, values.reshape(6, 4, 5, 1))
    np.testing.assert_array_equal(back, values)
    assert Clip.of(clip) is clip
