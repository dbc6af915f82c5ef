"""Bundles whose levels are in one file."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from one_file_networks import IMAGES
from tnn_tflite import BundleError, Dispatcher, read_bundle
from tnn_tflite.bundle.programs import Quantization
from tnn_tflite.conversion.converter import write_levels

LEVELS = (0.5, 1.0)


@pytest.fixture(params=["single", "signatures"])
def shared_bundle(contents, tmp_path, request):
    return write_levels(tmp_path / "bundle", contents, request.param)


def test_a_folder_with_one_file(shared_bundle):
    names = sorted(path.name for path in shared_bundle.directory.iterdir())
    assert names == ["levels.tflite", "manifest.json"]
    content = (shared_bundle.directory / "levels.tflite").read_bytes()
    shared = shared_bundle.shared
    assert (shared.file, shared.bytes) == ("levels.tflite", len(content))
    assert shared.sha256 == hashlib.sha256(content).hexdigest()
    assert read_bundle(shared_bundle.directory) == shared_bundle


def test_levels_are_described_by_their_own_content(shared_bundle):
    for level in shared_bundle.levels:
        content = shared_bundle.read_level(level)
        assert level.file == "levels.tflite"
        assert len(content) == level.bytes < shared_bundle.shared.bytes
        assert hashlib.sha256(content).hexdigest() == level.sha256


def test_dispatches_like_files(shared_bundle, contents, tmp_path):
    files = Dispatcher(write_levels(tmp_path / "files", contents).directory)
    one = Dispatcher(shared_bundle.directory)
    for u in LEVELS:
        # The folded kernels are rounded once more: 1e-7 each.
        np.testing.assert_allclose(one(IMAGES, u), files(IMAGES, u), rtol=1e-5, atol=1e-5)


def test_int8_levels_are_bit_equal_in_all_layouts(int8_contents, tmp_path):
    bundles = [
        write_levels(tmp_path / x, int8_contents, x) for x in ("files", "single", "signatures")
    ]
    hashes = [[level.sha256 for level in bundle.levels] for bundle in bundles]
    assert hashes[0] == hashes[1] == hashes[2]
    for bundle in bundles:
        for level in bundle.levels:
            bundle.read_level(level)


def test_int8_weights_are_stored_once(int8_contents, tmp_path):
    bundle = write_levels(tmp_path / "bundle", int8_contents, "single")
    low, full = bundle.levels
    # Its graph, scales and biases add 22 % of the low level. By its integers alone, without the
    # float32 files that tell the scales, it would be 50 %.
    assert bundle.shared.bytes < full.bytes + 0.3 * low.bytes


def test_replaces_and_is_replaced(contents, tmp_path):
    for layout in ("files", "single", "files"):
        bundle = write_levels(tmp_path / "bundle", contents, layout)
    assert len(list(bundle.directory.iterdir())) == 3


def test_one_level(contents, tmp_path):
    """Such as a network that decides for each sample: the one file and an empty plan."""
    bundle = write_levels(tmp_path / "bundle", contents[-1:], "single")
    assert bundle.read_level(bundle.levels[0]) == contents[-1].content


def test_a_changed_byte_is_seen(shared_bundle):
    """In the base, where it is part of both levels or of one, and in the plan."""
    path = shared_bundle.directory / "levels.tflite"
    original = path.read_bytes()
    for place in range(40, len(original), len(original) // 40):
        content = bytearray(original)
        content[place] ^= 1
        path.write_bytes(content)
        good = 0
        for level in shared_bundle.levels:
            try:
                shared_bundle.read_level(level)
                good += 1  # right by its hash: the byte is not part of it
            except BundleError as error:
                assert "SHA-256" in str(error) or "a plan by which" in str(error)
        assert good < 2 or shared_bundle.layout == "signatures"


def test_a_file_that_was_cut_off(shared_bundle):
    path = shared_bundle.directory / "levels.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match="the file was cut off or replaced"):
        read_bundle(shared_bundle.directory)
    with pytest.raises(BundleError, match="a file without a plan"):
        shared_bundle.read_level(shared_bundle.levels[0])


def test_no_such_layout(contents, tmp_path):
    with pytest.raises(ValueError, match="Expected one of .* Received: layout='zip'"):
        write_levels(tmp_path / "bundle", contents, "zip")
    assert list(tmp_path.iterdir()) == []


def changed(directory, change):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest.pop("manifest_sha256", None)  # changed on purpose
    change(manifest)
    path.write_text(json.dumps(manifest))
    return directory


WRONG = {
    "another file": (
        lambda m: m["programs"][0].update(file="u0.5.tflite"),
        "every level in the shared",
    ),
    "no shared file": (lambda m: m.pop("shared"), "an object for `shared`"),
    "shared file elsewhere": (
        lambda m: [x.update(file="../x") for x in (m["shared"], *m["programs"])],
        "which leaves the folder",
    ),
    "huge level": (lambda m: m["programs"][0].update(bytes=2**50), "at most 16 times the shared"),
    "layout": (
        lambda m: m.update(layout="tar"),
        "one of files, single, signatures, patterns for `layout`",
    ),
    "quantization": (
        lambda m: m["programs"][0]["inputs"][0].update(quantization=3),
        "an object for `programs.0..inputs.0..quantization`",
    ),
    "scale": (
        lambda m: m["programs"][0]["outputs"][0].update(quantization={"scale": 0}),
        "a finite number above 0 for `programs.0..outputs.0..quantization.scale`",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_manifest(contents, tmp_path, change, message):
    bundle = write_levels(tmp_path / "bundle", contents, "single")
    with pytest.raises(BundleError, match=message):
        read_bundle(changed(bundle.directory, change))


def test_quantization_is_written_and_read(contents, tmp_path):
    found = (Quantization(0.0078125, -1),)
    levels = [replace(level, input_quantization=found) for level in contents]
    bundle = write_levels(tmp_path / "bundle", levels)
    assert [level.input_quantization for level in bundle.levels] == [found, found]
    assert [level.output_quantization for level in bundle.levels] == [(), ()]
