"""The classes with the highest scores, against plain sorting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tnn_tflite.outputs.classification import ScoredClass, top_classes


def slow_top(scores, k):
    """Python's own stable sort, the highest first."""
    return sorted(range(len(scores)), key=lambda i: -float(scores[i]))[:k]


@given(
    arrays.arrays("int8", st.integers(1, 20), elements=st.integers(-128, 127)), st.integers(1, 25)
)
def test_against_sorting(scores, k):
    """int8 has many equal scores, and a -128 whose negative does not fit into int8."""
    found = top_classes(scores, k)
    assert [one.index for one in found] == slow_top(scores, k)
    assert [one.score for one in found] == [float(scores[i]) for i in slow_top(scores, k)]


def test_batch_and_labels():
    outputs = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], "float32")
    first, second = top_classes(outputs, k=1, labels=("cat", "dog", "bird"))
    assert first == [ScoredClass(1, float(outputs[0, 1]), "dog")]
    assert second == [ScoredClass(0, 0.5, "cat")]


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"Expected an array of shape .*shape=\(1, 1, 2\)"):
        top_classes(np.zeros((1, 1, 2)))
    with pytest.raises(ValueError, match="Received: list"):
        top_classes([0.1, 0.9])
    with pytest.raises(ValueError, match="`k`. Expected at least 1. Received: k=0"):
        top_classes(np.zeros(3), k=0)
    with pytest.raises(ValueError, match="`labels`. Expected 3 names, one for each class. .*: 2"):
        top_classes(np.zeros(3), labels=("a", "b"))
