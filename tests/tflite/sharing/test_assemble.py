"""The stage between converting and writing: what each layout makes of the same levels."""

import io

import pytest

from one_file_networks import in_float
from tnn_tflite.conversion.assemble import assemble
from tnn_tflite.sharing.bias_correction import corrected
from tnn_tflite.sharing.cut_level import cut_level


@pytest.mark.parametrize("layout", ["files", "single", "signatures"])
def test_int8_levels_are_corrected_and_on_one_grid_in_every_layout(int8_contents, layout):
    levels, shared = assemble(int8_contents, layout)
    low, full = levels
    before = int8_contents[-1]
    assert full.content == corrected(before.content, before.float_content, before.means)
    assert full.content != before.content and low.content != int8_contents[0].content
    assert low.content == list(assemble(int8_contents)[0])[0].content
    assert (shared is None) == (layout == "files")
    for index, level in enumerate(levels if shared else ()):
        assert cut_level(io.BytesIO(shared), index, len(level.content)) == level.content


def test_float_files_pass_one_by_one(contents):
    """So that a large network's levels are never all in memory."""
    made = []

    def converting():
        for level in contents:
            made.append(level)
            yield level

    levels, shared = assemble(converting())
    assert shared is None and len(made) == 1
    assert [level.content for level in levels] == [level.content for level in contents]


def test_means_without_a_float_file_change_nothing(int8_contents):
    (level,) = in_float(int8_contents[:1])
    ((alone,), _) = assemble([level], "single")
    assert level.means and alone.content == level.content


def test_no_level():
    with pytest.raises(ValueError, match="Expected at least one level"):
        assemble([])
