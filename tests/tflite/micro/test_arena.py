"""The arena that is measured is the smallest one that works."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite.micro import smallest_arena
from tnn_tflite.micro.arena import check_tflite_micro
from tnn_tflite.micro.arena_probe import smallest

OPEN = """
import sys
from tflite_micro.python.tflite_micro import runtime
content = open(sys.argv[1], "rb").read()
for size in sys.argv[2:]:
    try:
        runtime.Interpreter.from_bytes(content, arena_size=int(size))
        print("fits")
    except RuntimeError as error:
        print(error)
"""


@given(st.integers(1, 2**24))
def test_the_search_finds_the_next_multiple_of_16(needed):
    assert smallest(lambda size: size >= needed) == -(-needed // 16) * 16


def test_the_search_gives_up():
    assert smallest(lambda size: False) is None


def test_16_bytes_less_do_not_fit(exported, run_alone, tmp_path):
    level = exported.levels[-1]
    path = tmp_path / "level.tflite"
    path.write_bytes(level.content)
    result = run_alone(OPEN, path, level.arena_bytes, level.arena_bytes - 16)
    assert result.stdout.splitlines() == ["fits", "TFLM failed to allocate tensors"]


def test_the_arena_grows_with_the_level(exported):
    """Wider images between the layers; the first level needs 16 x 16 x 3 input and 4 channels."""
    arenas = [level.arena_bytes for level in exported.levels]
    assert arenas == sorted(arenas)
    assert arenas[0] > 16 * 16 * 3 + 16 * 16 * 4
    assert all(arena % 16 == 0 for arena in arenas)


def test_bytes_that_are_no_network():
    with pytest.raises(ValueError, match="Expected a network that tflite-micro can run"):
        smallest_arena(b"TFL3" * 100)


def test_without_tflite_micro(monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    with pytest.raises(ImportError, match=r"pip install keras-tnn\[micro\]"):
        check_tflite_micro()
