"""MACs of products of tensors: the size of the output times the size of what is summed over."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from keras_tnn.cost import count_macs


def macs_of(function, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    return count_macs(keras.Model(inputs, function(*inputs)))


CASES = {
    "matmul": (ops.matmul, [(5, 8), (8, 6)], 5 * 8 * 6),
    "operator": (lambda x, y: x @ y, [(5, 8), (8, 6)], 5 * 8 * 6),
    "matmul_heads": (ops.matmul, [(2, 5, 8), (2, 8, 6)], 2 * 5 * 8 * 6),
    "matmul_constant": (lambda x: ops.matmul(x, np.ones((8, 3))), [(5, 8)], 5 * 8 * 3),
    "constant_first": (lambda x: ops.matmul(np.ones((4, 5)), x), [(5, 8)], 4 * 5 * 8),
    "dot_operation": (lambda x: ops.dot(x, np.ones((8, 3))), [(5, 8)], 5 * 8 * 3),
    "inner": (lambda x: ops.inner(x, np.ones((3, 8))), [(5, 8)], 5 * 8 * 3),
    "tensordot": (lambda x: ops.tensordot(x, np.ones((5, 8, 3)), 2), [(5, 8)], 5 * 8 * 3),
    "dot_vectors": (lambda x, y: layers.Dot(axes=1)([x, y]), [(8,), (8,)], 8),
    "dot_matrices": (lambda x, y: layers.Dot(axes=(2, 1))([x, y]), [(5, 8), (8, 6)], 5 * 8 * 6),
    "einsum": (lambda x, y: ops.einsum("bij,bjk->bik", x, y), [(5, 8), (8, 6)], 5 * 8 * 6),
    "einsum_heads": (
        lambda x, y: ops.einsum("bqhd,bkhd->bhqk", x, y),
        [(5, 2, 8), (7, 2, 8)],
        2 * 5 * 7 * 8,
    ),
    "einsum_constant": (
        lambda x: ops.einsum("...i,ij->...j", x, np.ones((8, 3))),
        [(4, 5, 8)],
        4 * 5 * 8 * 3,
    ),
    "einsum_elementwise": (lambda x, y: ops.einsum("bij,bij->bij", x, y), [(5, 8), (5, 8)], 0),
    "einsum_of_one": (lambda x: ops.einsum("bij->bji", x), [(5, 8)], 0),
    "conv": (lambda x: ops.conv(x, np.ones((3, 3, 4, 5))), [(10, 12, 4)], 8 * 10 * 9 * 4 * 5),
    "conv_named": (
        lambda x: ops.conv(x, kernel=np.ones((3, 4, 5)), strides=2, padding="same"),
        [(10, 4)],
        5 * 3 * 4 * 5,
    ),
    "depthwise_conv": (
        lambda x: ops.depthwise_conv(x, np.ones((3, 3, 4, 2))),
        [(10, 10, 4)],
        64 * 9 * 4 * 2,
    ),
    "separable_conv": (
        lambda x: ops.separable_conv(x, np.ones((3, 3, 4, 2)), np.ones((1, 1, 8, 5))),
        [(10, 10, 4)],
        64 * (9 * 4 * 2) + 64 * (8 * 5),
    ),
    "conv_transpose": (
        lambda x: ops.conv_transpose(x, np.ones((3, 3, 5, 4)), strides=2),
        [(7, 7, 4)],
        49 * 9 * 5 * 4,
    ),
    "multiply": (lambda x, y: x * y, [(5, 8), (5, 8)], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_products_by_hand(case):
    function, shapes, expected = CASES[case]
    assert macs_of(function, *shapes) == expected


# keras 3.15: shape inference of `tensordot` compares the batch's None by `(-1).__ne__`
@pytest.mark.filterwarnings("ignore:NotImplemented should not be used:DeprecationWarning")
def test_tensordot_over_chosen_axes():
    # (batch, 5, 8) and (3, 5) over 5: (batch, 8, 3)
    inputs = keras.Input((5, 8))
    outputs = ops.tensordot(inputs, np.ones((3, 5)), axes=[[1], [1]])
    assert count_macs(keras.Model(inputs, outputs)) == 8 * 3 * 5


def test_size_unknown():
    with pytest.raises(ValueError, match=r"layer .matmul.*a size that is not known"):
        macs_of(ops.matmul, (None, 8), (8, 6))


def test_einsum_of_three_is_named():
    with pytest.raises(ValueError, match=r"\(Einsum\) are unknown"):
        macs_of(lambda x: ops.einsum("bi,ij,jk->bk", x, *np.ones((2, 4, 4))), (4,))


EINSUM_DENSE = {
    "abc,cd->abd": ((5, 8), (None, 3), 5 * 8 * 3),
    "abc,cde->abde": ((5, 8), (None, 2, 3), 5 * 8 * 2 * 3),
    "...x,xy->...y": ((4, 5, 8), 3, 4 * 5 * 8 * 3),
    "ab,b->ab": ((8,), 8, 0),  # a scale a channel: elementwise
}


@pytest.mark.parametrize("equation", EINSUM_DENSE)
def test_einsum_dense(equation):
    shape, output_shape, expected = EINSUM_DENSE[equation]
    assert macs_of(layers.EinsumDense(equation, output_shape), shape) == expected


@settings(max_examples=10)
@given(st.tuples(*[st.integers(2, 9)] * 3))
def test_ways_to_multiply_matrices_cost_the_same(sizes):
    rows, shared, columns = sizes
    shapes = (rows, shared), (shared, columns)
    counts = {
        macs_of(ops.matmul, *shapes),
        macs_of(lambda x, y: layers.Dot(axes=(2, 1))([x, y]), *shapes),
        macs_of(lambda x, y: ops.einsum("bij,bjk->bik", x, y), *shapes),
        macs_of(lambda x: layers.Dense(columns)(x), shapes[0]),
    }
    assert counts == {rows * shared * columns}
