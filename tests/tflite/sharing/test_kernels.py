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
    "depthwise": ((3, 3, 4, 3), lambda k: k.reshape(1, *k.shape[:2], -1), 3),
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


@pytest.mark.parametrize(("shape", "order", "axis"), LAYOUTS.values(), ids=list(LAYOUTS))
def test_what_surgery_kept_tells_where_a_slice_stands(shape, order, axis):
    """The higher level has every second entry of a source, the lower all of these but one."""
    source = normal(*(2 * size for size in shape))
    full = [np.arange(1, 2 * size, 2) for size in shape]
    part = [np.delete(kept, len(kept) // 2) for kept in full]
    found = []
    for kept in (part, full):
        own = source[np.ix_(*kept)]
        finder = KernelFinder([Kernel(own, "conv/kernel", kept)])
        found.append(finder.find(np.ascontiguousarray(order(own)), axis))
    low, high = found
    indices = low.indices_in(high)
    np.testing.assert_array_equal(high.array[np.ix_(*indices)], low.array)
    assert high.indices_in(low) is None


def test_kernels_of_other_sources_do_not_stand_in_one_another():
    values, kept = normal(4, 6), [np.arange(4), np.arange(6)]
    kernels = [Kernel(values, "a", kept), Kernel(values, "b", kept), Kernel(values)]
    a, b, unknown = (KernelFinder([kernel]).find(values.T, 0) for kernel in kernels)
    assert a.indices_in(a) is not None
    for part, whole in ((a, b), (unknown, unknown), (a, unknown)):
        assert part.indices_in(whole) is None


def test_another_kernel_is_not_found():
    finder = KernelFinder([Kernel(normal(3, 3, 4, 6))])
    assert finder.find(normal(6, 3, 3, 4), 0) is None
    assert finder.find(normal(6, 3, 3, 5), 0) is None


def test_a_kernel_whose_first_channel_is_zero():
    kernels = [normal(8, 4, 6) for _ in range(2)]
    folded = kernels[1].transpose(2, 0, 1)[:, None] * np.arange(6, dtype="f4").reshape(6, 1, 1, 1)
    found = KernelFinder([Kernel(kernel) for kernel in kernels]).find(folded, 0)
    assert found.kernel.values is kernels[1]


def test_one_number_that_differs():
    kernel = normal(6, 3, 3, 4)
    changed = 2 * kernel
    changed[3, 1, 1, 2] *= 1.01
    assert factor_between(kernel, changed, 0) is None


def test_channels_of_zeros():
    kernel, folded = normal(3, 4), np.zeros((3, 4), "float32")
    np.testing.assert_array_equal(factor_between(kernel, folded, 0), [0, 0, 0])
    assert factor_between(folded, kernel, 0) is None  # nothing comes of zeros
