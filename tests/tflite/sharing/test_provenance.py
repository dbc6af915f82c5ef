"""What surgery kept is tried first: the files are those of a search, with nothing to search."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn
from one_file_networks import contents_of, convolved, in_float
from random_weights import randomized
from tnn_tflite.sharing.constants import TFLiteFile
from tnn_tflite.sharing.kernels import Kernel
from tnn_tflite.sharing.matches import originals, traced
from tnn_tflite.sharing.share import share

SHAPE = (8, 8, 3)
IMAGES = np.random.default_rng(0).normal(size=(16, *SHAPE)).astype("float32")


def vgg():
    filters = ((16, 16), (32, 32))
    return tnn.models.VGG(SHAPE, 10, num_groups=4, filters=filters, dense_units=32)


def separable():
    x = image = keras.Input(SHAPE, name="image")
    x = convolved(x, layers.Conv2D(16, 3, padding="same", use_bias=False))
    for filters in (32, 32):
        x = convolved(x, layers.DepthwiseConv2D(3, padding="same", use_bias=False))
        x = convolved(x, layers.Conv2D(filters, 1, use_bias=False))
    outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return tnn.throttle(keras.Model(image, outputs), num_groups=4)


# Each with the number of its kernels: convolutions, then the classifier.
NETWORKS = {
    "vgg": (vgg, 4 + 2),
    "residual sums": (lambda: tnn.models.ResNet(SHAPE, 10, depth=8, num_groups=4), 1 + 6 + 2 + 1),
    "depthwise": (separable, 1 + 2 * 2 + 1),
    "concatenation": (
        lambda: tnn.models.DenseNet(SHAPE, 10, 4, layers_per_block=(2, 2)),
        1 + 4 * 2 + 1 + 1,
    ),
}


@pytest.fixture(scope="module", params=list(NETWORKS))
def network(request):
    """Its levels in int8, and how many kernels each has."""
    make, count = NETWORKS[request.param]
    return contents_of(randomized(make()), (0.5, 1.0), "int8", IMAGES), count


def of_unknown_source(level):
    return replace(level, kernels=tuple(Kernel(kernel.values) for kernel in level.kernels))


@pytest.mark.parametrize("written", [list, in_float], ids=["int8", "float32"])
def test_the_file_is_that_of_a_search(network, written):
    levels = written(network[0])
    assert share(levels) == share([of_unknown_source(level) for level in levels])


def test_every_kernel_is_traced(network):
    """All of them, and nothing else is as large: the rest are biases."""
    levels, count = network
    parts, wholes = (
        [one for one in originals(TFLiteFile(level.float_content), level.kernels) if one.kernel]
        for level in levels
    )
    found = [part for part in parts if any(traced(part, whole) for whole in wholes)]
    assert len(found) == len(parts) == count
