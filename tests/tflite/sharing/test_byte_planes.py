"""Byte planes: a permutation of bytes, and its inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite.sharing.byte_planes import from_planes, to_planes


@given(st.sampled_from(["i1", "<i4", "<f2", "<f4", "<i8"]), st.binary(max_size=80))
def test_round_trip(dtype, content):
    content = content[: len(content) // 8 * 8]
    array = np.frombuffer(content, dtype)
    assert from_planes(to_planes(array), dtype).tobytes() == content


def test_by_hand():
    assert to_planes(np.array([[0x0102], [0x0304]], "<i4")) == bytes([2, 4, 1, 3, 0, 0, 0, 0])


def test_half_a_number():
    with pytest.raises(ValueError, match="cannot reshape"):
        from_planes(b"abc", "<i2")
