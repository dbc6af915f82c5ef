"""The ready-made controllers as networks."""

import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.controllers import DepthwiseCNN


@pytest.mark.parametrize(("side", "patch"), [(8, 2), (16, 2), (24, 3), (32, 4), (224, 4)])
def test_a_patch_follows_the_image(side, patch):
    stem = DepthwiseCNN((side, side + 8, 3), 4).get_layer("stem")
    assert stem.kernel_size == stem.strides == (patch, patch)


def test_macs_and_parameters_by_hand():
    controller = DepthwiseCNN((32, 32, 3), 4)
    # patches to 8x8; 3x3 by channel to 4x4 and to 2x2, each with a 1x1 convolution; the choice
    stem, choice = 8 * 8 * 48 * 16, 64 * 4
    separable = 4 * 4 * (9 * 16 + 16 * 32) + 2 * 2 * (9 * 32 + 32 * 64)
    assert tnn.count_macs(controller) == stem + separable + choice == 69_248
    weights = 48 * 16 + 9 * 16 + 16 * 32 + 9 * 32 + 32 * 64 + 64 * 4 + 4
    normalizations = 2 * (16 + 16 + 32 + 32 + 64)
    trained = sum(int(np.prod(one.shape)) for one in controller.trainable_weights)
    assert trained == weights + normalizations == 4340


@pytest.mark.parametrize("patch", [0, -1, 2.0, True])
def test_a_wrong_patch(patch):
    with pytest.raises(ValueError, match="`patch`. Expected a positive integer. Received: patch="):
        DepthwiseCNN((8, 8, 1), 2, patch=patch)
