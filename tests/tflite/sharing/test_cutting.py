"""Cutting by plans that are written by hand, and by plans that are wrong."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tnn_tflite import BundleError
from tnn_tflite.sharing.byte_planes import to_planes
from tnn_tflite.sharing.cut_level import cut_level
from tnn_tflite.sharing.hole import Factor, Hole
from tnn_tflite.sharing.plan import Entry, with_plan

WHOLE = np.arange(12, dtype="<f4").reshape(3, 4)
BASE = b"head" + WHOLE.tobytes() + b"tail"


def hole(**changes):
    """Rows 0 and 2, columns 1 and 2 of `WHOLE`, twice and ten times as large."""
    arguments = {
        "at": 2,
        "dtype": "float32",
        "shape": (2, 2),
        "source": "base",
        "offset": 4,
        "whole": (3, 4),
        "take": (((0, 1), (2, 1)), ((1, 2),)),
        "factor": Factor("float16", (2, 1)),
    }
    return Hole(**{**arguments, **changes})


FACTORS = to_planes(np.array([2, 10], "<f2"))
BY_HAND = b"ab" + np.array([2, 4, 90, 100], "<f4").tobytes() + b"cd"


def shared(*holes, literal=b"abcd", data=FACTORS):
    return with_plan(BASE, [Entry(holes, literal, data), None])


def cut_first(content, size=20):
    return cut_level(io.BytesIO(content), 0, size)


def test_by_hand():
    assert cut_first(shared(hole())) == BY_HAND


def test_the_shared_file_begins_with_the_base():
    content = shared(hole())
    assert content.startswith(BASE)
    assert cut_level(io.BytesIO(content), 1, len(BASE)) == BASE


def test_the_format_by_hand():
    """What docs tell an author of another reader."""
    content = shared(hole())
    base_size, plan_size, levels, magic = struct.unpack("<QQI4s", content[-24:])
    assert (base_size, levels, magic) == (len(BASE), 2, b"TNN1")
    plan = zlib.decompress(content[base_size:-24])
    assert len(plan) == plan_size
    header = (
        b'[[2],["float32"],[[2,2]],["base"],[4],[[[3,4],[[[0,1],[2,1]],[[1,2]]]]],'
        b'[["float16",[2,1]]]]'
    )
    sizes = struct.pack("<6I", len(header), len(b"abcd"), len(FACTORS), 0, 0, 0)
    assert plan == sizes + header + b"abcd" + FACTORS


def test_a_hole_may_read_what_another_one_wrote():
    """Scales first, then the scales of biases: here three times the row before."""
    row = Hole(2, "float32", (2,), "base", 4 + 4, (2,), (None,))
    copy = Hole(10, "float32", (2,), "level", 0, (2,), (None,), Factor("float32", (1,)))
    expected = b"ab" + np.array([1, 2, 3, 6], "<f4").tobytes() + b"cd"
    data = to_planes(np.array([3], "<f4"))
    assert cut_first(shared(row, copy, data=data), len(expected)) == expected


def test_a_copy_may_stand_before_what_it_copies():
    """A converter writes constants in any order; the copies are filled last."""
    copy = Hole(2, "float32", (2,), "level", 1, (2,), (None,))
    row = Hole(10, "float32", (2,), "base", 4 + 4, (2,), (None,))
    expected = b"ab" + np.array([1, 2, 1, 2], "<f4").tobytes() + b"cd"
    assert cut_first(shared(copy, row, data=b""), len(expected)) == expected


def test_a_copy_of_a_copy():
    row = Hole(0, "float32", (2,), "base", 4, (2,), (None,))
    copies = [Hole(8 * k, "float32", (2,), "level", k - 1, (2,), (None,)) for k in (1, 2)]
    with pytest.raises(BundleError, match="a hole at 16 whose source does not fit"):
        cut_first(shared(row, *copies, literal=b"", data=b""), 24)


def test_signs_of_int8():
    base = np.array([[1, 2], [3, -127]], "i1").tobytes()
    sign = Factor("int8", (2, 1))
    taken = Hole(0, "int8", (2, 2), "base", 0, (2, 2), (None, None), sign)
    content = with_plan(base, [Entry((taken,), b"", np.array([1, -1], "i1").tobytes())])
    assert np.frombuffer(cut_first(content, 4), "i1").tolist() == [1, 2, -3, 127]


def test_stored_numbers():
    stored = Hole(0, "int32", (3,), "plan", 0, (3,), (None,))
    content = with_plan(BASE, [Entry((stored,), b"", to_planes(np.array([5, -6, 7], "<i4")))])
    assert np.frombuffer(cut_first(content, 12), "<i4").tolist() == [5, -6, 7]


WRONG = {
    "source ends early": (hole(offset=20), "source does not fit"),
    "more columns than there are": (hole(take=(((0, 2),), ((3, 2),))), "indices up to 5"),
    "indices that are too few": (hole(take=(((0, 1),), ((1, 2),))), "1 indices up to 1 for 2"),
    "place behind the end": (hole(at=5), "do not add up to the level"),
    "more than the level has": (hole(shape=(2, 1), take=(None, None)), "indices up to"),
    "another rank": (hole(take=(None, None, None)), "axes that do not agree"),
    "factor larger than the data": (hole(factor=Factor("float32", (2, 1))), "all of the data"),
    "no factor to read all of the data": (hole(factor=None), "all of the data"),
    "another hole that there is not": (hole(source="level", offset=1), "source does not fit"),
    "itself": (
        hole(source="level", offset=0, whole=(2, 2), take=(None, None)),
        "source does not fit",
    ),
    "stored numbers that are sliced": (
        hole(source="plan", factor=None),
        "stored numbers that are sliced",
    ),
    "factor of another shape": (hole(factor=Factor("float16", (2,))), "a factor float16"),
    "factor of another type": (hole(factor=Factor("int8", (2, 1))), "a factor int8"),
    "no such source": (hole(source="/etc/passwd"), "none of base, level, plan"),
    "negative offset": (hole(offset=-1), "no count"),
    "huge shape": (hole(whole=(2**40, 2**40)), "source does not fit"),
    "empty run": (hole(take=(((0, 2), (1, 0)), ((1, 2),))), "an empty run"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_hole(wrong, message):
    with pytest.raises(BundleError, match=f"a plan by which the level can be cut.*{message}"):
        cut_first(shared(wrong))


def test_a_copy_of_more_than_the_other_hole_has():
    row = Hole(0, "float32", (2,), "base", 4, (2,), (None,))
    copy = Hole(8, "float32", (4,), "level", 0, (4,), (None,))
    with pytest.raises(BundleError, match="a hole at 8 whose source does not fit"):
        cut_first(shared(row, copy, literal=b"", data=b""), 24)


@pytest.mark.parametrize("literal", [b"abc", b"abcde"])
def test_a_literal_of_another_size(literal):
    with pytest.raises(BundleError, match="do not add up to the level"):
        cut_first(shared(hole(), literal=literal))


def rewritten(change, content=None):
    """A shared file whose plan was changed and packed again."""
    content = content or shared(hole())
    plan = change(zlib.decompress(content[len(BASE) : -24]))
    footer = struct.pack("<QQI4s", len(BASE), len(plan), 2, b"TNN1")
    return BASE + zlib.compress(plan) + footer


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: plan + b"!", "sizes that do not add up to the plan"),
        (lambda plan: plan[:-1], "sizes that do not add up to the plan"),
        (lambda plan: plan[:20], "a plan without sizes"),
        (lambda plan: plan[:24] + b"{" + plan[25:], "Expecting"),
    ],
)
def test_a_plan_with_other_sizes(change, message):
    with pytest.raises(BundleError, match=message):
        cut_first(rewritten(change))


def test_a_header_that_nests_without_end():
    deep = b"[" * 100_000
    plan = struct.pack("<6I", len(deep), 0, 0, 0, 0, 0) + deep
    with pytest.raises(BundleError, match="a header that does not parse"):
        cut_first(rewritten(lambda _: plan))


def test_headers_have_a_largest_size(monkeypatch):
    """Of index lists without end a reader would build objects without end."""
    content = shared(hole())
    monkeypatch.setattr("tnn_tflite.sharing.plan.LARGEST_HEADER", 10)
    with pytest.raises(BundleError, match=r"a header of \d+ bytes"):
        cut_first(content)
    with pytest.raises(ValueError, match="Write the bundle with layout='files'"):
        shared(hole())


def test_a_stream_without_its_end():
    """All bytes are there, but not the sum by which zlib checks them."""
    content = shared(hole())
    with pytest.raises(BundleError, match="another size than promised"):
        cut_first(content[:-25] + content[-24:])


def test_a_file_that_shrinks_while_it_is_read():
    class Shrinking(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 4) if self.tell() == 4 else size)

    with pytest.raises(BundleError, match="a file that was cut off"):
        cut_level(Shrinking(shared(hole())), 0, 20)


def test_holes_cannot_overlap():
    """A hole says how far it stands behind the one before; there is no way back."""
    with pytest.raises(BundleError, match="no count"):
        cut_first(shared(hole(), hole(at=10), literal=b"ab", data=FACTORS * 2), 34)


def test_holes_that_read_too_much():
    """Many small holes, each of which reads a whole large array: hours for no bytes."""
    narrow = [
        hole(at=4 * k, shape=(1, 1), take=(((0, 1),), ((0, 1),)), factor=None) for k in range(50)
    ]
    rows = [
        Hole(4 * k, "float32", (1, 1), "base", 4, (1, 12), (None, ((0, 1),))) for k in range(50)
    ]
    assert cut_first(shared(*narrow, literal=b"", data=b""), 200) == bytes(200)
    with pytest.raises(BundleError, match="holes that read too much"):
        cut_first(shared(*rows, literal=b"", data=b""), 200)


def test_a_stream_that_inflates_without_end():
    """A zip bomb: 64 MB of zeros in 65 kB. No more is inflated than was promised."""
    bomb = zlib.compress(bytes(2**26), 9)
    content = BASE + bomb + struct.pack("<QQI4s", len(BASE), 100, 2, b"TNN1")
    tracemalloc.start()
    with pytest.raises(BundleError, match="another size than promised"):
        cut_first(content)
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


@pytest.mark.parametrize(("size", "levels"), [(2**26 + 2 * len(BASE) + 1, 2), (100, 1025)])
def test_a_plan_that_is_too_large(size, levels):
    footer = struct.pack("<QQI4s", len(BASE), size, levels, b"TNN1")
    with pytest.raises(BundleError, match=f"a plan of {size} bytes for {levels} levels"):
        cut_first(BASE + zlib.compress(bytes(10)) + footer)


def test_more_than_can_be_read_is_not_written(monkeypatch):
    with pytest.raises(ValueError, match="Received: 1025 levels, .* layout='files'"):
        with_plan(BASE, [None] * 1025)
    monkeypatch.setattr("tnn_tflite.sharing.plan.LARGEST_PLAN", 10)
    with pytest.raises(ValueError, match="Received: 1 levels, 234 bytes"):  # 12, 22 and 200
        with_plan(BASE, [Entry((), bytes(200), b"")])


def test_levels_of_several_pieces():
    """Literals that are longer than a piece, of unequal sizes, one of them empty."""
    rng = np.random.default_rng(0)
    literals = [rng.bytes(size) for size in (10000, 0, 5, 4097)]
    content = with_plan(BASE, [Entry((), literal, b"") for literal in literals])
    for index, literal in enumerate(literals):
        if literal:
            assert cut_level(io.BytesIO(content), index, len(literal)) == literal


def test_levels_that_are_alike_take_little():
    """What a level has in common with the one before is stored once, however long it is."""
    alike = np.random.default_rng(0).bytes(50_000)  # longer than the window of zlib
    one = len(with_plan(BASE, [Entry((), alike, b"")]))
    four = len(with_plan(BASE, [Entry((), alike, b"")] * 4))
    assert four < 1.04 * one  # 1.031; three more literals would be 4


def test_memory_of_cutting():
    """The level and a few reads at a time; neither the base nor a second copy of the level."""
    whole = np.random.default_rng(0).random((2048, 4096), dtype="float32")  # 32 MB
    base = whole.tobytes()
    take = (((0, 1024), (1025, 512)), ((0, 3072),))
    factor = Factor("float32", (1536, 1))
    large = Hole(0, "float32", (1536, 3072), "base", 0, (2048, 4096), take, factor)
    ones = to_planes(np.ones(1536, "<f4"))
    file = io.BytesIO(with_plan(base, [Entry((large,), b"", ones)]))
    size = 4 * 1536 * 3072  # 18 MB
    tracemalloc.start()
    content = cut_level(file, 0, size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size <= peak < size + 6 * 2**20
    expected = whole[np.r_[0:1024, 1025:1537], :3072]
    np.testing.assert_array_equal(np.frombuffer(content, "<f4").reshape(1536, 3072), expected)


@pytest.mark.parametrize("content", [b"", b"TFL3", BASE, bytes(64)])
def test_a_file_without_a_plan(content):
    with pytest.raises(BundleError, match="Received: a file without a plan"):
        cut_first(content)


def test_a_level_that_the_plan_lacks():
    with pytest.raises(BundleError, match="a plan of 2 levels, asked for number 2"):
        cut_level(io.BytesIO(shared(hole())), 2, 10)


@pytest.mark.parametrize(("index", "size"), [(0, 21), (0, 19), (1, 10), (1, 10**6)])
def test_a_level_of_another_size(index, size):
    with pytest.raises(BundleError, match="Expected a plan by which the level can be cut"):
        cut_level(io.BytesIO(shared(hole())), index, size)


@settings(max_examples=200)
@given(st.data())
def test_mutated_plans_give_bytes_or_an_error(data):
    """Bytes of the plan's text and numbers, before compression, as an attacker would write them."""
    content = shared(hole())
    plan = bytearray(zlib.decompress(content[len(BASE) : -24]))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(plan) - 1))
        value = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b"0123456789,[]{}-")))
        plan[place] = value
    try:
        mutated = BASE + zlib.compress(bytes(plan)) + content[-24:]
        assert len(cut_first(mutated)) == len(BY_HAND)
    except BundleError as error:
        assert "Expected a plan" in str(error)


@settings(max_examples=100)
@given(st.data())
def test_mutated_files_give_bytes_or_an_error(data):
    content = bytearray(shared(hole()))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = (
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    try:
        assert len(cut_first(bytes(content))) == len(BY_HAND)
    except BundleError as error:
        assert "Expected a plan" in str(error)
