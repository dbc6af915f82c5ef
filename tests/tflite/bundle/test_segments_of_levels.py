"""What a bundle with exits at several levels must be: each level a whole chain of its own."""

import json

import pytest

from test_segment_bundles import HANDED, IMAGE, SCORES, segment
from tnn_tflite import BundleError, read_bundle

LEVELS, EXITS = (0.5, 1.0), ("early", "late")


def level_segment(u, exit, inputs, outputs, macs):
    record = segment(f"u{u}:{exit}", inputs, outputs, macs)
    return {**record, "file": f"u{u}_{exit}.tflite", "role": "level_segment"} | {
        "utilization": u,
        "exit": exit,
    }


def write(folder, change=lambda manifest: None):
    """Two levels of two exits each."""
    programs, edges = [], []
    for u in LEVELS:
        macs = int(4 * u)
        programs.append(level_segment(u, "early", [IMAGE], [SCORES, HANDED], macs))
        programs.append(level_segment(u, "late", [HANDED], [SCORES], 3 * macs))
        edges.append({"from": f"u{u}:early", "output": "handed_1"})
        edges[-1] |= {"to": f"u{u}:late", "input": "handed_1"}
    manifest = {"format": "tnn_tflite", "format_version": 3, "layout": "files"}
    manifest |= {"programs": programs, "edges": edges}
    for program in programs:
        (folder / program["file"]).write_bytes(b"four")
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_what_is_read(tmp_path):
    bundle = read_bundle(write(tmp_path))
    assert [len(chain.segments) for chain in bundle.chains] == [2, 2]
    assert [len(chain.edges) for chain in bundle.chains] == [1, 1]
    assert [(one.name, one.utilization, one.macs, one.bytes) for one in bundle.points] == [
        ("early", 0.5, 2, 4),
        ("late", 0.5, 8, 8),
        ("early", 1.0, 4, 4),
        ("late", 1.0, 16, 8),
    ]
    assert bundle.points[2].title == "exit 'early' at u=1"
    assert bundle.points == sum((chain.points for chain in bundle.chains), ())
    assert [spec.name for spec in bundle.inputs] == ["image"]
    assert [spec.name for spec in bundle.outputs] == ["scores"]


def test_a_reader_of_one_level_refuses(tmp_path):
    """So does every reader from before: it would run the levels one after another."""
    with pytest.raises(BundleError, match=r"role that is known here \(level, segment\).*upgrade"):
        read_bundle(write(tmp_path), roles=("level", "segment"))


def swap(manifest, one, other):
    programs = manifest["programs"]
    programs[one], programs[other] = programs[other], programs[one]


def without(place):
    def change(manifest):
        name = manifest["programs"].pop(place)["name"]
        manifest["edges"] = [e for e in manifest["edges"] if name not in (e["from"], e["to"])]
        for program in manifest["programs"]:  # whoever removes one carefully removes its traces
            if program["name"][:4] == name[:4]:
                program["inputs"] = [dict(IMAGE)]
                program["outputs"] = [dict(SCORES)]

    return change


def across(manifest):
    manifest["edges"][1]["from"] = "u0.5:early"


WRONG = {
    "the last of a level is missing": (without(1), r"each with a segment for each of the exits"),
    "the first of a level is missing": (without(0), r"exits \['early', 'late'\]. Received: "),
    "a level falls": (
        lambda m: m["programs"][0].update(utilization=1.0),
        "levels that rise, each with a segment",
    ),
    "a level in two pieces": (lambda m: swap(m, 1, 2), "levels that rise, each with a segment"),
    "another exit": (lambda m: m["programs"][1].update(exit="later"), "for each of the exits"),
    "one exit twice": (
        lambda m: [one.update(exit="late") for one in m["programs"]],
        "for each of the exits",
    ),
    "a segment of no level": (
        lambda m: m["programs"][0].update(role="segment"),
        "levels that rise, each with a segment",
    ),
    "no utilization": (
        lambda m: m["programs"][0].pop("utilization"),
        r"`programs\[0\].utilization`",
    ),
    "no exit": (lambda m: m["programs"][0].pop("exit"), r"`programs\[0\].exit`"),
    "an accuracy above one": (
        lambda m: m["programs"][0].update(accuracy=1.5),
        r"a number in \[0, 1\] for `programs\[0\].accuracy`",
    ),
    "from level to level": (across, "`edges` between segments of one level. Received: one from"),
    "another input": (
        lambda m: m["programs"][2].update(inputs=[{**IMAGE, "shape": [8, 8, 3]}]),
        "one input of the network for all segments",
    ),
    "a file is missing": (lambda m: m["programs"][3].update(file="gone.tflite"), "gone.tflite"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=list(WRONG))
def test_segments_that_do_not_fit(tmp_path, change, message):
    with pytest.raises(BundleError, match=message):
        read_bundle(write(tmp_path, change))
