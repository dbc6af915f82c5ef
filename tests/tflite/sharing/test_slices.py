"""A slice is found by its values, and what is found is always right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite.sharing.slices import Whole, runs_of, same_bits


@st.composite
def arrays_and_indices(draw):
    """An array of different numbers, and indices along each of its axes in any order."""
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    array = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape).astype("float32")
    indices = [
        draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=size, unique=True))
        for size in shape
    ]
    # All of an axis is taken in order: levels leave channels out, they do not swap them.
    return array, [
        np.arange(size) if len(axis) == size else np.array(axis)
        for size, axis in zip(shape, indices, strict=True)
    ]


@given(arrays_and_indices())
def test_finds_any_slice(case):
    array, indices = case
    found = Whole(array).find(array[np.ix_(*indices)])
    assert [axis.tolist() for axis in found] == [axis.tolist() for axis in indices]


@given(arrays_and_indices(), st.integers(0, 2**20))
def test_a_changed_number_is_no_slice(case, place):
    array, indices = case
    part = array[np.ix_(*indices)]
    part.reshape(-1)[place % part.size] += 100  # beyond every normal number of the array
    assert Whole(array).find(part) is None


def test_numbers_that_stand_several_times():
    """A uniform float32 has 2^23 values: in large kernels each stands twice or more often."""
    array = np.random.default_rng(0).integers(0, 3000, (96, 64)).astype("float32")
    rows, columns = np.arange(0, 96, 2), np.arange(5, 37)
    found = Whole(array).find(array[np.ix_(rows, columns)])
    np.testing.assert_array_equal(found[0], rows)
    np.testing.assert_array_equal(found[1], columns)


def test_rows_of_zeros_lie_where_they_are_expected():
    array = np.random.default_rng(0).normal(size=(8, 8))
    array[2:4] = 0
    found = Whole(array).find(array[1:5, :4])
    np.testing.assert_array_equal(found[0], [1, 2, 3, 4])


def test_zeros_and_nan_by_their_bits():
    assert same_bits(np.array([np.nan, 0.0]), np.array([np.nan, 0.0]))
    assert not same_bits(np.array([0.0]), np.array([-0.0]))
    whole = Whole(np.array([1.0, np.nan, -0.0, 0.0]))
    assert [axis.tolist() for axis in whole.find(np.array([np.nan, -0.0]))] == [[1, 2]]


@pytest.mark.parametrize(
    "part",
    [np.zeros((1, 1)), np.arange(5.0), np.arange(2, dtype="float32"), np.zeros(0)],
    ids=["rank", "larger", "type", "empty"],
)
def test_what_cannot_be_a_slice(part):
    assert Whole(np.arange(4.0)).find(part) is None


@given(st.lists(st.integers(0, 20), min_size=1))
def test_runs_say_the_indices(indices):
    runs = runs_of(np.array(indices))
    assert [start + k for start, count in runs for k in range(count)] == indices


def test_runs_by_hand():
    assert runs_of(np.array([4, 5, 6, 0, 2, 3])) == ((4, 3), (0, 1), (2, 2))
