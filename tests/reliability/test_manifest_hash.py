"""A manifest of which a number has changed is refused, and tells how to change it on purpose."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite import BundleError, TensorSpec, read_bundle
from tnn_tflite.bundle.manifest_hash import BLANK, KEY, vouches, with_hash
from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.writer import write_bundle

IMAGE = (TensorSpec("image", (2,), "float32"),)
TEXT = json.dumps({KEY: BLANK, "levels": [{"utilization": 0.5, "file": "u0.5.tflite"}]})


@pytest.fixture
def manifest(tmp_path):
    write_bundle(tmp_path / "bundle", [LevelContent(b"net", IMAGE, IMAGE, 1, 1, utilization=0.5)])
    return tmp_path / "bundle" / "manifest.json"


def test_a_written_manifest_vouches_for_itself(manifest):
    content = manifest.read_bytes()
    assert vouches(content, json.loads(content)[KEY])


@pytest.mark.parametrize(
    ("old", "new"), [('"utilization": 0.5', '"utilization": 0.6'), ('"macs": 1', '"macs": 2')]
)
def test_a_changed_number(manifest, old, new):
    text = manifest.read_text()
    manifest.write_text(text.replace(old, new))
    with pytest.raises(BundleError, match="the manifest was changed or damaged.* leaves"):
        read_bundle(manifest.parent)
    record = json.loads(manifest.read_text())
    del record[KEY]
    manifest.write_text(json.dumps(record))
    assert len(read_bundle(manifest.parent).levels) == 1


def test_a_key_that_stands_twice(manifest):
    manifest.write_text(manifest.read_text().replace('"macs": 1', '"macs": 1, "macs": 2'))
    with pytest.raises(BundleError, match="a key stands there twice"):
        read_bundle(manifest.parent)


@given(st.data())
def test_any_other_byte_breaks_the_hash(data):
    content = with_hash(TEXT).encode()
    claimed = json.loads(content)[KEY]
    start = content.index(claimed.encode())
    places = [at for at in range(len(content)) if not start <= at < start + 64]
    at = data.draw(st.sampled_from(places))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != content[at]))
    assert vouches(content, claimed)
    assert not vouches(content[:at] + bytes([value]) + content[at + 1 :], claimed)
