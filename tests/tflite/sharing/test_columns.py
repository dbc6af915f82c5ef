"""Holes as JSON: what is written is read again, and nothing else is read."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite.sharing.columns import from_columns, to_columns
from tnn_tflite.sharing.hole import DTYPES, Factor, Hole


@st.composite
def holes(draw):
    """A few holes of rank 1 or 2, one behind the other."""
    made, end = [], 0
    for _ in range(draw(st.integers(0, 4))):
        whole = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=2)))
        take = tuple(draw(runs(size)) for size in whole)
        shape = tuple(
            size if one is None else sum(count for _, count in one)
            for size, one in zip(whole, take, strict=True)
        )
        factor = draw(st.sampled_from([None, Factor("float16", (shape[0], *[1] * len(shape[1:])))]))
        dtype = "float32" if factor else draw(st.sampled_from(list(DTYPES)))
        at = end + draw(st.integers(0, 5))
        made.append(Hole(at, dtype, shape, "base", draw(st.integers(0, 99)), whole, take, factor))
        end = made[-1].end
    return tuple(made)


@st.composite
def runs(draw, size):
    """Some indices of an axis, as runs that do not touch; or None for all of them."""
    chosen = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    edges = np.flatnonzero(np.diff([0, *chosen, 0]))
    pairs = edges.reshape(-1, 2).tolist()
    return tuple((start, end - start) for start, end in pairs) or None


@given(holes())
def test_round_trip(made):
    assert from_columns(json.loads(json.dumps(to_columns(made)))) == made


def test_seven_lists_without_holes():
    assert to_columns([]) == [[], [], [], [], [], [], []]
    assert from_columns([[], [], [], [], [], [], []]) == ()


def columns(**changes):
    """Of one hole: 6 of 12 numbers."""
    values = {
        "gap": 2,
        "dtype": "float32",
        "shape": [6],
        "source": "base",
        "offset": 4,
        "sliced": [[12], [[[0, 5], [7, 1]]]],
        "factor": ["float16", [6]],
    }
    return [[value] for value in {**values, **changes}.values()]


def test_by_hand():
    expected = Hole(
        2, "float32", (6,), "base", 4, (12,), (((0, 5), (7, 1)),), Factor("float16", (6,))
    )
    assert from_columns(columns()) == (expected,)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gap": -1}, "no count"),
        ({"gap": True}, "no count"),
        ({"gap": 2.0}, "no count"),
        ({"gap": 2**48}, "no count"),
        ({"dtype": "object"}, "none of int8, uint8"),
        ({"dtype": ["float32"]}, "none of int8, uint8"),
        ({"shape": []}, "no shape"),
        ({"shape": [0]}, "an empty shape"),
        ({"shape": [1] * 9}, "no shape"),
        ({"source": "/etc/passwd"}, "none of base, level, plan"),
        ({"offset": None}, "no count"),
        ({"sliced": [12]}, "no list of 2"),
        ({"sliced": [[12], None]}, "no list of index lists"),
        ({"sliced": [[12], [[]]]}, "no list of runs"),
        ({"sliced": [[12], [[[0, 6, 1]]]]}, "no list of 2"),
        ({"sliced": [[12], [[[0, 6], [6, 0]]]]}, "an empty run"),
        ({"sliced": [[12], [[[0, 5]]]]}, "5 indices up to 5 for 6 of 12"),
        ({"sliced": [[12], [[[7, 6]]]]}, "6 indices up to 13 for 6 of 12"),
        ({"sliced": [[12, 1], [None, None]]}, "axes that do not agree"),
        ({"factor": "float16"}, "no list of 2"),
        ({"factor": ["int8", [6]]}, "a factor int8"),
        ({"factor": ["float16", [3]]}, "a factor float16"),
        ({"source": "plan", "sliced": None}, "stored numbers that are sliced or multiplied"),
        ({"source": "plan", "factor": None}, "stored numbers that are sliced or multiplied"),
    ],
)
def test_what_is_no_hole(wrong, message):
    with pytest.raises(ValueError, match=message):
        from_columns(columns(**wrong))


@pytest.mark.parametrize("wrong", [None, {}, [], [[]] * 6, [[]] * 6 + [[1]], [1] * 7])
def test_what_are_no_columns(wrong):
    with pytest.raises(ValueError, match="no list of 7|no columns|shorter|longer"):
        from_columns(wrong)
