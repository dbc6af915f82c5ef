"""What a bundle of segments must be, so that a reader can trust the edges."""

import json

import pytest

from tnn_tflite import BundleError, read_bundle
from tnn_tflite.bundle.programs import Edge

IMAGE = {"name": "image", "shape": [4, 4, 3], "dtype": "float32"}
SCORES = {"name": "scores", "shape": [10], "dtype": "float32"}
HANDED = {"name": "handed_1", "shape": [2, 3], "dtype": "int8"}
HANDED["quantization"] = {"scale": 0.5, "zero_point": -3}


def segment(name, inputs, outputs, macs):
    """The record of a program that no interpreter sees in these tests."""
    return {
        "name": name,
        "role": "segment",
        "file": f"{name}.tflite",
        "macs": macs,
        "parameters": 2,
        "bytes": 4,
        "sha256": "0" * 64,
        "inputs": [dict(one) for one in inputs],
        "outputs": [dict(one) for one in outputs],
    }


def write(folder, change=lambda manifest: None):
    """Two segments, of which the second reads what the first hands on and the image."""
    manifest = {
        "format": "tnn_tflite",
        "format_version": 3,
        "layout": "files",
        "programs": [
            segment("early", [IMAGE], [SCORES, HANDED], macs=1),
            segment("late", [IMAGE, HANDED], [SCORES], macs=3),
        ],
        "edges": [{"from": "early", "output": "handed_1", "to": "late", "input": "handed_1"}],
        "labels": {"scores": list("abcdefghij")},
    }
    change(manifest)
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for name in ("early", "late"):
        (folder / f"{name}.tflite").write_bytes(b"four")
    return folder


def test_what_is_read(tmp_path):
    bundle = read_bundle(write(tmp_path))
    assert bundle.levels == ()
    assert [one.name for one in bundle.segments] == ["early", "late"]
    assert [spec.name for spec in bundle.inputs] == ["image"]
    assert [spec.name for spec in bundle.outputs] == ["scores"]
    assert bundle.edges == (Edge("early", "handed_1", "late", "handed_1"),)
    early, late = bundle.points
    assert (early.name, early.utilization, early.macs, early.bytes) == ("early", 0.25, 1, 4)
    assert (late.name, late.utilization, late.macs, late.bytes) == ("late", 1.0, 4, 8)


def change_segment(place, **changes):
    return lambda manifest: manifest["programs"][place].update(changes)


def with_a_level(manifest):
    level = segment("u1.0", [IMAGE], [SCORES], macs=1)
    manifest["programs"].append({**level, "role": "level", "utilization": 1.0})


WRONG = {
    "the last one is missing": (
        lambda m: m["programs"].pop(),
        "an edge from each output of 'early' but the first. |`edges` from a program to one",
    ),
    "the first one is missing": (lambda m: m["programs"].pop(0), "`edges` from a program to one"),
    "a level beside them": (with_a_level, r"nothing beside segments.* Received: \['u1.0'\]"),
    "another layout": (
        lambda m: m.update(
            layout="single", shared={"file": "early.tflite", "bytes": 4, "sha256": "0" * 64}
        ),
        "nothing beside segments, each in a file of its own. Received: layout 'single'",
    ),
    "exits that differ": (
        change_segment(0, outputs=[{**SCORES, "shape": [9]}, HANDED]),
        r"the first output of each segment to be .* Received: .*shape=\(9,\).* of 'early'",
    ),
    "one without cost": (change_segment(1, macs=0), "multiply-accumulates in 'late'"),
    "two inputs of one name": (
        change_segment(1, inputs=[{**IMAGE, "dtype": "int8"}, HANDED]),
        "one input of the network for all segments. Received: .*'int8'.* of 'late'",
    ),
    "nobody reads it": (
        lambda m: m.pop("edges"),
        r"an edge from each output of 'early' but the first. Received: none from \['handed_1'\]",
    ),
    "another shape at the end": (
        change_segment(1, inputs=[IMAGE, {**HANDED, "shape": [3, 2]}]),
        "an output that fits input 'handed_1' of 'late'",
    ),
    "another type at the end": (
        change_segment(1, inputs=[IMAGE, {**HANDED, "dtype": "uint8"}]),
        "an output that fits input 'handed_1' of 'late'",
    ),
    "another scale at the end": (
        change_segment(
            1, inputs=[IMAGE, {**HANDED, "quantization": {"scale": 0.25, "zero_point": -3}}]
        ),
        "one quantization at both ends of the edge from 'early' to 'late'. Received: .*0.5.*0.25",
    ),
    "no scale at the end": (
        change_segment(1, inputs=[IMAGE, {k: HANDED[k] for k in ("name", "shape", "dtype")}]),
        "one quantization at both ends .* and None",
    ),
    "labels too few": (lambda m: m.update(labels={"scores": ["a"]}), "`labels` for each class"),
    "a file is missing": (change_segment(1, file="gone.tflite"), "gone.tflite"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=list(WRONG))
def test_segments_that_do_not_fit(tmp_path, change, message):
    with pytest.raises(BundleError, match=message):
        read_bundle(write(tmp_path, change))
