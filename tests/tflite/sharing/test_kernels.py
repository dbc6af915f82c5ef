"""A TFLite kernel is known for the Keras kernel that it was folded from."""

import numpy as np
import pytest

from tnn_tflite.sharing.kernels import Kernel, KernelFinder, factor_between

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


# The shape in Keras, how TFLite orders it, and its axis of output channels.
LAYOUTS = {
    "convolution": ((3, 5, 4, 6), lambda k: k.transpose(3, 0, 1, 2), 0),
    "transposed": ((3, 3, 6, 4), lambda k: k.transpose(2, 0, 1, 3), 0),
    "depthwise": ((3, 3, 4, 2), lambda k: k.reshape(1, 3, 3, 8), 3),
    "dense": ((7, 6), lambda k: k.T, 0),
    "one axis": ((3, 4, 6), lambda k: k[None].transpose(3, 0, 1, 2), 0),
    "planar": ((3, 2, 2, 4, 6), lambda k: np.concatenate(list(k), 2).transpose(3, 0, 1, 2), 0),
}


@pytest.mark.parametrize(("shape", "order", "axis"), LAYOUTS.values(), ids=list(LAYOUTS))
def test_finds_a_folded_kernel(shape, order, axis):
    kernels = [Kernel(normal(*shape)) for _ in range(3)]
    own = order(kernels[1].values)
    factor = normal(own.shape[axis])  # of both signs
    spread = np.moveaxis(factor.reshape(-1, *[1] * (own.ndim - 1)), 0, axis)
    found = KernelFinder(kernels).find(own * spread, axis).array
    np.testing.assert_array_equal(found, own)
    # Two roundings to float32, 6e-8 each.
    np.testing.assert_allclose(factor_between(found, own * spread, axis), factor, rtol=2e-7)


def test_another_kernel_is_not_found():
    finder = KernelFinder([Kernel(normal(3, 3, 4, 6))])
    assert finder.find(normal(6, 3, 3, 4), 0) is None
    assert finder.find(normal(6, 3, 3, 5), 0) is None


def test_one_number_that_differs():
    kernel = normal(6, 3, 3, 4)
    changed = 2 * kernel
    changed[3, 1, 1, 2] *= 1.01
    assert factor_between(kernel, changed, 0) is None


def test_channels_of_zeros():
    kernel, folded = normal(3, 4), np.zeros((3, 4), "float32")
    np.testing.assert_array_equal(factor_between(kernel, folded, 0), [0, 0, 0])
    assert factor_between(folded, kernel, 0) is None  # nothing comes of zeros
