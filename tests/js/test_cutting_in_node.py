"""A level whose holes are of each kind is cut to the same bytes as in Python."""

import io

import numpy as np
import pytest

from dispatcher_in_node import call
from tnn_tflite.sharing.byte_planes import to_planes
from tnn_tflite.sharing.cut_level import cut_level
from tnn_tflite.sharing.hole import Factor, Hole
from tnn_tflite.sharing.plan import Entry, with_plan

RNG = np.random.default_rng(0)
FLOATS = RNG.normal(size=(4, 3, 2)).astype("<f4")
BYTES = RNG.integers(-128, 128, (5, 6), "<i1")
BASE = b"base" + FLOATS.tobytes() + BYTES.tobytes()
AT_BYTES = 4 + FLOATS.nbytes

WORDS = np.array([1, -2, 300], "<i2")
LONG = np.array([2**40, -1], "<i8")
HALVES = np.array([[0.5, -3.0, 6e-8, 65504.0]], "<f2").reshape(1, 4)  # one of them is subnormal
SIGNS = np.array([[-1], [3], [100]], "<i1")  # 100 times most bytes wraps around
SCALES = np.array([1.5, -2.0], "<f4").reshape(2, 1, 1)


def level():
    """An entry with a gap in front of each hole, and the literal between them."""
    runs = (((0, 1), (2, 2)), ((1, 1), (3, 1), (5, 1)))
    holes, at, data = [], 0, b""

    def hole(dtype, shape, source, offset, whole, take, factor=None, stored=None):
        nonlocal at, data
        made = Hole(at + 3, dtype, shape, source, offset, whole, take, factor)
        holes.append(made)
        at = made.end
        data += b"" if stored is None else to_planes(stored)

    whole = (4, 3, 2)
    hole("int8", (3, 3), "base", AT_BYTES, (5, 6), runs, Factor("int8", (3, 1)), SIGNS)
    hole("float32", whole, "base", 4, whole, (None,) * 3)
    hole("float32", (2, 3, 1), "base", 4, whole, (((1, 2),), None, ((1, 1),)))
    hole("int16", (3,), "plan", 0, (3,), (None,), stored=WORDS)
    of_level = (((0, 1), (3, 1)), None, None)
    factor = Factor("float32", (2, 1, 1))
    hole("float32", (2, 3, 2), "level", 1, whole, of_level, factor, SCALES)
    hole("int64", (2,), "plan", 0, (2,), (None,), stored=LONG)
    hole("float32", (2, 4), "base", 4, (6, 4), (((2, 2),), None), Factor("float16", (1, 4)), HALVES)
    literal = RNG.integers(0, 256, 3 * len(holes) + 5, "u1").tobytes()
    return Entry(tuple(holes), literal, data), at + 5


def test_each_kind_of_hole():
    entry, size = level()
    other = Entry((), b"x" * 9000, b"")  # literals stand in turn, piece by piece
    file = with_plan(BASE, [other, entry, None])
    given = {"uint8": list(file)}
    calls = [
        ["sharing/cut_level.js", "cutLevel", given, index, length, "here"]
        for index, length in ((0, 9000), (1, size), (2, len(BASE)))
    ]
    for found, (_, _, _, index, length, _) in zip(call(calls), calls, strict=True):
        assert bytes(found) == cut_level(io.BytesIO(file), index, length)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_level_of_another_size(change):
    entry, size = level()
    given = {"uint8": list(with_plan(BASE, [entry]))}
    (found,) = call([["sharing/cut_level.js", "cutLevel", given, 0, size + change, "here"]])
    assert "holes and literal that do not add up to the level" in found["error"]
