"""The shift of the mean: against convolutions by Keras, and taken back in a file."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from one_file_networks import contents_of, outputs_of, own_files, throttled_network
from test_regrid import FULL, arrays_of, level
from tnn_tflite.quantization.input_means import SAMPLES, input_means
from tnn_tflite.sharing.bias_correction import corrected, mean_output
from tnn_tflite.sharing.constants import TFLiteFile

MEAN = np.array([1.0, -2.0, 0.5, 3.0])
CONSTANT = np.broadcast_to(MEAN, (1, 5, 5, 4)).astype("float32")  # away from borders all is equal


@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions(groups):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4 // groups, 6)).astype("float32")
    expected = keras.ops.conv(CONSTANT, kernel)[0, 1, 1]
    found = mean_output("CONV_2D", kernel.transpose(3, 0, 1, 2), MEAN)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)  # float32 sums of 36


def test_depthwise_convolutions():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 2)).astype("float32")
    expected = keras.ops.depthwise_conv(CONSTANT, kernel)[0, 1, 1]
    found = mean_output("DEPTHWISE_CONV_2D", kernel.reshape(1, 3, 3, 8), MEAN)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_dense_layers_and_others():
    kernel = np.array([[1.0, 0, 0, 1], [0, 2, 0, 0]])
    assert mean_output("FULLY_CONNECTED", kernel, MEAN).tolist() == [4, -4]
    assert mean_output("TRANSPOSE_CONV", np.ones((2, 3, 3, 4)), MEAN) == 0


def test_a_file_by_hand():
    own = level(0.5, 8, np.linspace(0.3, 3, 8), np.ones(8), mean=np.full(32, 2.0))
    kernel, scales, before, step = arrays_of(own.content)
    reals = TFLiteFile(own.float_content).graphs[0].tensors[1].constant.array
    shift = 2 * (reals - kernel * scales[:, None]).sum(axis=1)
    after = arrays_of(corrected(own.content, own.float_content, own.means))[2]
    np.testing.assert_array_equal(after, before + np.rint(shift / step))
    assert np.abs(after - before).max() > 5


def test_what_is_not_known_stays():
    own = level(0.5, 8, np.full(8, 2.0), np.ones(8))
    assert corrected(own.content, own.float_content, {}) == own.content
    shared = level(0.5, 8, np.full(8, 2.0), np.ones(8), twin="half", mean=np.full(32, 20.0))
    assert corrected(shared.content, shared.float_content, shared.means) == shared.content
    alone = level(0.5, 8, np.full(8, 2.0), np.ones(8), mean=np.full(32, 20.0))
    assert corrected(alone.content, alone.float_content, alone.means) != alone.content


def test_a_bias_that_would_overflow_stays():
    own = level(0.5, 8, np.linspace(0.3, 3, 8), np.ones(8), mean=np.full(32, 1e12))
    assert corrected(own.content, own.float_content, own.means) == own.content
    scales = arrays_of(own_files([own, FULL])[0])[1]
    np.testing.assert_array_equal(scales, arrays_of(own.content)[1])  # not those of the full level
    others = arrays_of(own_files([replace(own, means={}), FULL])[0])[1]
    assert (scales != others).any()


def test_means_of_what_layers_read():
    """A convolution, a depthwise one and a dense one, against Keras."""
    x = image = keras.Input((6, 6, 3), name="image")
    reads = [image]
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    reads.append(x)
    x = keras.layers.DepthwiseConv2D(3)(x)
    x = keras.layers.Flatten()(x)
    reads.append(x)
    model = keras.Model(image, keras.layers.Dense(2)(x))
    from tnn_tflite.conversion.keras_to_tflite import keras_to_tflite

    content, _, _ = keras_to_tflite(model)
    images = np.random.default_rng(0).normal(1, 1, (SAMPLES, 6, 6, 3)).astype("float32")
    found = input_means(content, {"image": images})
    kernels = TFLiteFile(content).graphs[0].kernels
    assert [use.operator for _, uses in kernels for use in uses] == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
    ]
    for (kernel, _), value in zip(kernels, keras.Model(image, reads).predict(images), strict=True):
        (mean,) = found[kernel.constant.at]
        expected = value.reshape(-1, value.shape[-1]).mean(axis=0)
        np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-5)  # float32 in two ways


def test_of_many_samples_some_are_taken_evenly():
    x = keras.Input((1,), name="x")
    from tnn_tflite.conversion.keras_to_tflite import keras_to_tflite

    content, _, _ = keras_to_tflite(keras.Model(x, keras.layers.Dense(2)(x)))
    samples = np.arange(1001, dtype="float32")[:, None]
    ((mean,),) = input_means(content, {"x": samples}).values()
    np.testing.assert_allclose(mean, [500], rtol=0.01)  # places are rounded to whole samples


def test_levels_are_nearer_to_their_float_files_on_average():
    """Real levels, as `convert` makes them, on images whose mean is not zero."""
    images = np.random.default_rng(0).normal(1, 1, (64, 12, 12, 3)).astype("float32")
    contents = contents_of(throttled_network(), (0.5, 1.0), "int8", images)
    low, full = contents
    full = replace(full, content=corrected(full.content, full.float_content, full.means))
    (with_means, _), (without, _) = (
        own_files([replace(low, means=m), full]) for m in (low.means, {})
    )
    # It is corrected: once more is too much, and once back too little.
    more = full.means
    back = {at: [-mean for mean in means] for at, means in more.items()}
    others = [corrected(full.content, full.float_content, means) for means in (more, back)]
    pairs = [(low.float_content, (with_means, without))]
    pairs += [(full.float_content, (full.content, other)) for other in others]
    for float_content, pair in pairs:
        exact = outputs_of(float_content, images)
        shifts = [np.abs((outputs_of(one, images) - exact).mean(axis=0)).mean() for one in pair]
        assert shifts[0] < 0.7 * shifts[1]
