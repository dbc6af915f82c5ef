import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_tnn.gates import Nested

utilizations = st.floats(1 / 1024, 1.0, width=32)


@given(st.integers(1, 64), utilizations)
def test_opens_the_count_of_the_papers(num_groups, u):
    open_groups = Nested(num_groups).pattern(u).sum()
    assert open_groups == min(num_groups, np.floor(np.float32(u) * np.float32(num_groups + 1)))


@pytest.mark.parametrize("num_groups", [1, 3, 8, 16, 64])
def test_opens_exactly_k_groups_at_k_of_d(num_groups):
    gate = Nested(num_groups)
    counts = [gate.pattern(k / num_groups).sum() for k in range(1, num_groups + 1)]
    assert counts == list(range(1, num_groups + 1))


@given(st.permutations(list(range(6))), utilizations)
def test_is_nested_in_its_order(order, u):
    in_order = Nested(6, order=order).pattern(u)[order]
    assert np.all(np.diff(in_order) <= 0)


@given(utilizations, utilizations)
def test_more_utilization_never_closes_a_group(u, v):
    gate = Nested(8, min_groups=1)
    low, high = gate.pattern(min(u, v)), gate.pattern(max(u, v))
    assert np.all(low <= high)


def test_minimum_of_open_groups():
    assert Nested(16).pattern(0.01).sum() == 0
    assert Nested(16, min_groups=2).pattern(0.01).sum() == 2


def test_per_sample_values_in_one_batch():
    gates = np.array(Nested(4)(np.array([0.25, 1.0, 0.5], "float32")))
    assert gates.tolist() == [[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]]


def test_normalised_gates_sum_to_one():
    # hostetler2019, Eq. 3: g / ||g||_1
    assert Nested(4, normalize=True).pattern(0.5).tolist() == [0.5, 0.5, 0, 0]
    assert Nested(4, normalize=True).pattern(0.01).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("value", [0, -0.5, 1.5, float("nan"), "0.5", True])
def test_refuses_invalid_utilization(value):
    with pytest.raises(ValueError, match=r"Expected a float in \(0, 1\]. Received: utilization="):
        Nested(4).pattern(value)


def test_refuses_invalid_arguments():
    with pytest.raises(ValueError, match="`num_groups`. Expected a positive integer"):
        Nested(0)
    with pytest.raises(ValueError, match=r"`min_groups`. Expected an integer in \[0, 4\]"):
        Nested(4, min_groups=5)
    with pytest.raises(ValueError, match=r"`order`. Expected a permutation of range\(3\)"):
        Nested(3, order=[0, 0, 1])
