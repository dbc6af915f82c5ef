"""The folder of sources: complete or as it was, and never anybody else's."""

import shutil

import keras
import pytest

import tnn_tflite.micro.folder_of_sources
from tnn_tflite import BundleError, convert
from tnn_tflite.command.micro import main
from tnn_tflite.micro import export_micro

FILES = {
    "memory.txt",
    "tnn_level_0.cc",
    "tnn_level_1.cc",
    "tnn_level_2.cc",
    "tnn_levels.cc",
    "tnn_levels.h",
    "tnn_operators.h",
}


def names(folder):
    return {path.name for path in folder.iterdir()}


def export(bundle, out):
    return export_micro(bundle.directory, out, measure_arena=False)


def test_what_is_written(exported):
    assert names(exported.directory) == set(exported.files) == FILES
    for name in FILES:
        first = (exported.directory / name).read_text().splitlines()[0]
        assert first.endswith("Written by keras-tnn micro; do not edit.")


def test_flash_is_the_sum_and_ram_the_largest(exported, int8_bundle):
    table = str(exported).splitlines()
    assert table[0].split() == ["u", "MACs", "flash", "bytes", "arena", "bytes"]
    low, last = int8_bundle.levels[0], exported.levels[-1]
    arena = f"{exported.levels[0].arena_bytes:,}"
    assert table[1].split() == ["0.25", f"{low.macs:,}", f"{low.bytes:,}", arena]
    flash = sum(level.bytes for level in int8_bundle.levels)
    assert table[4].split() == ["all", f"{flash:,}", f"{last.arena_bytes:,}"]
    assert str(exported) in (exported.directory / "memory.txt").read_text()


def test_floats_warn(tmp_path):
    image = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 3, activation="relu")(image)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    bundle = convert({1.0: model}, tmp_path / "floats", verbose=False)
    with pytest.warns(UserWarning, match=r"The levels 1 compute in float32"):
        export(bundle, tmp_path / "sources")


def test_an_older_folder_is_replaced(int8_bundle, tmp_path):
    out = tmp_path / "sources"
    export(int8_bundle, out)
    (out / "tnn_level_2.cc").rename(out / "tnn_level_7.cc")  # as of a bundle with more levels
    export(int8_bundle, out)
    assert names(out) == FILES
    assert names(tmp_path) == {"sources"}


def test_an_empty_folder_is_filled(int8_bundle, tmp_path):
    export(int8_bundle, tmp_path)
    assert names(tmp_path) == FILES


@pytest.mark.parametrize("content", ["int main() {}\n", ""])
def test_a_folder_with_other_files_is_left_alone(int8_bundle, tmp_path, content):
    (tmp_path / "main.cc").write_text(content)
    with pytest.raises(ValueError, match="which holds main.cc"):
        export(int8_bundle, tmp_path)
    assert names(tmp_path) == {"main.cc"}


def test_a_file_is_left_alone(int8_bundle, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ValueError, match="a file. Choose another one"):
        export(int8_bundle, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_an_error_on_the_way_leaves_the_old_folder(int8_bundle, tmp_path, monkeypatch):
    out = tmp_path / "sources"
    export(int8_bundle, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(path, text):
        raise OSError("no space left on device")

    monkeypatch.setattr(tnn_tflite.micro.folder_of_sources, "_write", full)
    with pytest.raises(OSError, match="no space left"):
        export(int8_bundle, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert names(tmp_path) == {"sources"}


def test_a_damaged_bundle_is_refused(int8_bundle, tmp_path):
    broken = shutil.copytree(int8_bundle.directory, tmp_path / "broken")
    file = broken / int8_bundle.levels[0].file
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleError, match="SHA-256"):
        export_micro(broken, tmp_path / "sources", measure_arena=False)
    assert not (tmp_path / "sources").exists()


def test_the_command(int8_bundle, tmp_path, capsys):
    out = tmp_path / "sources"
    assert not main([str(int8_bundle.directory), str(out), "--nomeasure_arena"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"wrote 7 files to {out}"
    assert "5 operators: CONV_2D, FULLY_CONNECTED, MAX_POOL_2D, RESHAPE, SOFTMAX" in lines
    assert lines[1].split()[-1] == "-"  # the arena was not measured
    assert "arena_bytes; /* 0 if not measured */" in (out / "tnn_levels.h").read_text()
