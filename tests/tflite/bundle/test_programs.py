"""Programs of several roles, the edges between them, and what a bundle says of its tensors."""

import json

import pytest

from tnn_tflite import BundleError, Dispatcher, read_bundle
from tnn_tflite.bundle.description import Preprocessing
from tnn_tflite.bundle.programs import Edge

FEATURES = {"name": "features", "shape": [2, 3], "dtype": "float32"}
ROLES = ("level", "part")


def segment(name, reads, hands_on):
    """The record of a program that no interpreter sees in these tests."""
    return {
        "name": name,
        "role": "part",
        "file": f"{name}.tflite",
        "macs": 1,
        "parameters": 2,
        "bytes": 4,
        "sha256": "0" * 64,
        "inputs": [dict(reads)],
        "outputs": [dict(hands_on)],
    }


def with_segments(directory, change=lambda manifest: None):
    """Adds two segments to a bundle, of which the second reads what the first hands on."""
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["manifest_sha256"]
    image = manifest["programs"][0]["inputs"][0]
    manifest["programs"] += [segment("stem", image, FEATURES), segment("head", FEATURES, FEATURES)]
    edge = {"from": "stem", "output": "features", "to": "head", "input": "features"}
    manifest["edges"] = [edge]
    change(manifest)
    path.write_text(json.dumps(manifest))
    for name in ("stem", "head"):
        (directory / f"{name}.tflite").write_bytes(b"four")
    return directory


def test_programs_have_tensors_of_their_own_and_edges(bundle):
    found = read_bundle(with_segments(bundle), roles=ROLES)
    assert [program.name for program in found.programs] == ["u0.25", "u0.5", "u1.0", "stem", "head"]
    assert [program.role for program in found.programs] == ["level"] * 3 + ["part"] * 2
    assert found.levels == found.programs[:3]
    assert found.programs[3].inputs == found.inputs
    assert found.programs[3].outputs[0].shape == (2, 3)
    assert found.edges == (Edge("stem", "features", "head", "features"),)


def test_a_role_that_a_reader_does_not_know(bundle):
    message = (
        r"a role that is known here \(level, .*\) for `programs\[3\].role` .* 'part'. "
        "This bundle has a program that this reader cannot run: upgrade keras-tnn"
    )
    for read in (read_bundle, Dispatcher):
        with pytest.raises(BundleError, match=message):
            read(with_segments(bundle) if read is read_bundle else bundle)


def set_edge(**changes):
    return lambda manifest: manifest["edges"][0].update(changes)


WRONG = {
    "no such program": (set_edge(to="tail"), "from a program to one that stands after it"),
    "backwards": (
        set_edge(**{"from": "head", "to": "stem"}),
        "`edges` from a program to one that stands after it",
    ),
    "to itself": (set_edge(**{"from": "head"}), "from 'head' to 'head'"),
    "of a level": (set_edge(**{"from": "u0.5"}), "no `edges` of a level, which runs alone"),
    "no such output": (set_edge(output="x"), "an output that fits input 'features' of 'head'"),
    "no such input": (set_edge(input="x"), "an output that fits input 'x' of 'head'"),
    "another shape": (
        lambda m: m["programs"][4]["inputs"][0].update(shape=[3, 2]),
        r"Received: \(\(2, 3\), 'float32'\) for \(\(3, 2\), 'float32'\)",
    ),
    "fed twice": (lambda m: m["edges"].append(m["edges"][0]), "'head', once. Received: two"),
    "no edge": (lambda m: m.update(edges=[None]), r"an object for `edges\[0\]`"),
    "one name twice": (
        lambda m: m["programs"][4].update(name="stem"),
        "different names for `programs`",
    ),
    "one file twice": (
        lambda m: m["programs"][4].update(file="stem.tflite"),
        "a file of its own for each program",
    ),
    "no level": (
        lambda m: m.update(programs=m["programs"][3:]),
        r"a program with the role 'level'. Received: \['part'\]",
    ),
    "levels of other networks": (
        lambda m: m["programs"][1]["outputs"][0].update(shape=[5]),
        "the inputs and outputs of 'u0.25' for every level",
    ),
    "cut off": (lambda m: m["programs"][3].update(bytes=5), "the file was cut off or replaced"),
    "labels of nothing": (
        lambda m: m.update(labels={"x": ["cat"]}),
        "`labels` for each class of an output, here 'x'. Received: 1 for no such output",
    ),
    "labels too few": (
        lambda m: m.update(labels={"logits": ["cat", "dog"]}),
        r"here 'logits'. Received: 2 for \(4,\)",
    ),
    "labels no text": (
        lambda m: m.update(labels={"logits": [1, 2, 3, 4]}),
        "a filled list of strings for `labels.logits`",
    ),
    "scale": (
        lambda m: m.update(preprocessing={"image": {"scale": [float("inf")]}}),
        "a filled list of finite numbers for `preprocessing.image.scale`",
    ),
    "a channel": (
        lambda m: m.update(preprocessing={"image": {**STEPS, "colours": "grey"}}),
        "a picture with 1 channels for 'image'",
    ),
    "no picture": (
        lambda m: m.update(preprocessing={"sound": STEPS}),
        "a picture with 3 channels for 'sound'",
    ),
}
STEPS = {"scale": [1.0, 1.0, 0.5], "offset": [0, 0, -1], "colours": "BGR", "resize": "crop"}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=list(WRONG))
def test_wrong_programs(bundle, change, message):
    with pytest.raises(BundleError, match=message):
        read_bundle(with_segments(bundle, change), roles=ROLES)


def test_preprocessing_is_read(bundle):
    found = read_bundle(
        with_segments(bundle, lambda m: m.update(preprocessing={"image": STEPS})), roles=ROLES
    )
    steps = Preprocessing((1.0, 1.0, 0.5), (0.0, 0.0, -1.0), "BGR", "crop")
    assert found.preprocessing == {"image": steps}
