"""The old bundle or the new one, never half of each."""

import os
import stat

import pytest

from tnn_tflite import BundleError, TensorSpec, read_bundle
from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.replacing import replace_folder
from tnn_tflite.bundle.writer import write_bundle

IMAGE = (TensorSpec("image", (2,), "float32"),)
LOGITS = (TensorSpec("logits", (3,), "float32"),)


def content(utilization=0.5, text=b"net", inputs=IMAGE):
    return LevelContent(text, inputs, LOGITS, macs=6, parameters=9, utilization=utilization)


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def break_after_first_level():
    yield content(text=b"new")
    raise RuntimeError("the converter failed")


def test_writes_a_new_bundle_and_nothing_beside_it(tmp_path):
    bundle = write_bundle(tmp_path / "deep" / "bundle", [content(0.5), content(1.0, b"wide")])
    assert sorted(files_of(bundle.directory)) == ["manifest.json", "u0.5.tflite", "u1.0.tflite"]
    assert [bundle.read_level(level) for level in bundle.levels] == [b"net", b"wide"]
    assert os.listdir(tmp_path / "deep") == ["bundle"]


def test_folder_has_the_usual_permissions(tmp_path):
    bundle = write_bundle(tmp_path / "bundle", [content()])
    (tmp_path / "usual").mkdir()
    usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert stat.S_IMODE(bundle.directory.stat().st_mode) == usual


def test_fills_an_empty_folder(tmp_path):
    (tmp_path / "bundle").mkdir()
    write_bundle(tmp_path / "bundle", [content()])
    assert os.listdir(tmp_path) == ["bundle"]


def test_replaces_an_older_bundle(tmp_path):
    write_bundle(tmp_path / "bundle", [content(0.25, b"old"), content(1.0, b"older")])
    write_bundle(tmp_path / "bundle", [content(0.5, b"new")])
    assert sorted(files_of(tmp_path / "bundle")) == ["manifest.json", "u0.5.tflite"]
    assert os.listdir(tmp_path) == ["bundle"]


def test_failure_leaves_the_older_bundle(tmp_path):
    write_bundle(tmp_path / "bundle", [content(text=b"old")])
    before = files_of(tmp_path / "bundle")
    with pytest.raises(RuntimeError, match="the converter failed"):
        write_bundle(tmp_path / "bundle", break_after_first_level())
    assert files_of(tmp_path / "bundle") == before
    assert os.listdir(tmp_path) == ["bundle"]


def test_failure_leaves_no_new_folder(tmp_path):
    with pytest.raises(RuntimeError, match="the converter failed"):
        write_bundle(tmp_path / "bundle", break_after_first_level())
    assert os.listdir(tmp_path) == []


def test_older_bundle_comes_back_if_the_rename_fails(tmp_path):
    destination = tmp_path / "bundle"
    write_bundle(destination, [content(text=b"old")])
    before = files_of(destination)
    with pytest.raises(FileNotFoundError, match="gone"):
        replace_folder(destination, tmp_path / "gone")
    assert files_of(destination) == before
    assert os.listdir(tmp_path) == ["bundle"]


def test_kill_leaves_the_older_bundle(tmp_path, run_alone):
    """A process that dies while it writes cannot clean up; the old bundle does not care."""
    write_bundle(tmp_path / "bundle", [content(text=b"old")])
    before = files_of(tmp_path / "bundle")
    program = """
import os, sys
from tnn_tflite import TensorSpec
from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.writer import write_bundle

def contents():
    spec = (TensorSpec("image", (2,), "float32"),)
    yield LevelContent(b"new", spec, spec, 1, 1, utilization=0.5)
    os.kill(os.getpid(), 9)

write_bundle(sys.argv[1], contents())
"""
    assert run_alone(program, tmp_path / "bundle").returncode == -9
    assert files_of(tmp_path / "bundle") == before
    read_bundle(tmp_path / "bundle")
    write_bundle(tmp_path / "bundle", [content(text=b"new")])  # what it left is not in the way


@pytest.mark.parametrize("other", ["photo.jpg", ".hidden"])
def test_refuses_a_folder_with_other_files(tmp_path, other):
    (tmp_path / other).write_text("precious")
    with pytest.raises(BundleError, match="Received: a folder with other files. Choose another"):
        write_bundle(tmp_path, [content()])
    assert (tmp_path / other).read_text() == "precious"


def test_refuses_a_bundle_with_other_files(tmp_path):
    write_bundle(tmp_path / "bundle", [content()])
    (tmp_path / "bundle" / "labels.txt").write_text("precious")
    with pytest.raises(BundleError, match="Received: labels.txt. Move them away"):
        write_bundle(tmp_path / "bundle", [content()])
    assert (tmp_path / "bundle" / "labels.txt").read_text() == "precious"


def test_refuses_a_damaged_bundle(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text('{"format": "another program"}')
    with pytest.raises(BundleError, match="Received: a damaged one .* Move it away"):
        write_bundle(tmp_path / "bundle", [content()])


def test_refuses_a_file(tmp_path):
    (tmp_path / "bundle").write_text("precious")
    with pytest.raises(BundleError, match="Received: a file"):
        write_bundle(tmp_path / "bundle", [content()])


def test_a_link_to_a_bundle_stays_a_link(tmp_path):
    write_bundle(tmp_path / "v1", [content(text=b"old")])
    (tmp_path / "current").symlink_to("v1")
    write_bundle(tmp_path / "current", [content(text=b"new")])
    assert (tmp_path / "current").is_symlink()
    assert (tmp_path / "v1" / "u0.5.tflite").read_bytes() == b"new"


def test_no_level(tmp_path):
    with pytest.raises(ValueError, match="Expected at least one level"):
        write_bundle(tmp_path / "bundle", [])


def test_levels_that_differ_in_their_inputs(tmp_path):
    other = (TensorSpec("image", (3,), "float32"),)
    with pytest.raises(ValueError, match="Expected the same inputs and outputs for every level"):
        write_bundle(tmp_path / "bundle", [content(0.5), content(1.0, inputs=other)])


def test_levels_that_do_not_rise(tmp_path):
    with pytest.raises(BundleError, match="levels that rise"):
        write_bundle(tmp_path / "bundle", [content(1.0), content(0.5)])
    assert os.listdir(tmp_path) == []
