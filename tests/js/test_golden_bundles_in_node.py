"""Bundles that are on devices, read and run in Node; and those that it cannot run."""

import json

import numpy as np
import pytest

from dispatcher_in_node import GOLDEN, ask, decoded, encoded

ANSWERS = json.loads((GOLDEN / "answers.json").read_text())
X = np.linspace(-1.0, 1.0, 16).astype("float32")


def calls(x, *utilizations):
    return [{"x": encoded(x), "utilization": u} for u in utilizations]


@pytest.mark.parametrize("version", ["version_1", "version_3", "version_3_controller"])
def test_versions_answer_as_ever(version):
    """Layouts "files", "signatures" and "single"."""
    (found,) = ask([{"bundle": str(GOLDEN / version), "calls": calls(X, 0.5, 0.7, 1.0)}])
    low, between, high = found["answers"]
    assert between["outputs"] == low["outputs"]
    for answer, expected in zip((low, high), ANSWERS[version], strict=True):
        np.testing.assert_allclose(decoded(answer), expected, rtol=1e-5, atol=1e-5)


def test_warm_levels_are_told():
    questions = [{"bundle": str(GOLDEN / "version_3"), "calls": calls(X, 1.0, 1.0)}]
    cold, warm = ask([*questions, {**questions[0], "warmUp": True}])
    assert [answer["isWarm"] for answer in cold["answers"]] == [False, True]
    assert [answer["isWarm"] for answer in warm["answers"]] == [True, True]


def test_labels():
    (found,) = ask([{"bundle": str(GOLDEN / "version_3")}])
    assert found["labels"] == {"scores": ["cat", "dog", "emu"]}


def test_the_controller_chooses_as_ever():
    """The lower level has its answer; above it the level runs, too."""
    x = [{"x": encoded(X + np.float32(shift))} for shift in (-1, 1)]
    (found,) = ask([{"bundle": str(GOLDEN / "version_3_controller"), "calls": x}])
    for answer, (u, golden) in zip(found["answers"], ANSWERS["choices"], strict=True):
        assert answer["utilization"] == u
        assert answer["reason"] == f"the controller chose u={u:g}"
        np.testing.assert_allclose(decoded(answer), golden, rtol=1e-5, atol=1e-5)
    low, high = (answer["macs"] for answer in found["answers"])
    manifest = json.loads((GOLDEN / "version_3_controller" / "manifest.json").read_text())
    macs = {program["name"]: program["macs"] for program in manifest["programs"]}
    assert (low, high) == (macs["controller"], macs["controller"] + macs["u1.0"])


def test_of_equal_levels_the_lower_one_is_chosen():
    call = {"x": encoded(np.zeros(16, "float32"))}
    (found,) = ask([{"bundle": str(GOLDEN / "version_3_controller"), "calls": [call]}])
    assert found["answers"][0]["utilization"] == 0.5


def test_what_cannot_run_is_an_error():
    integers, segments = ask(
        [{"bundle": str(GOLDEN / name)} for name in ("version_2", "version_3_segments")]
    )
    assert "Received: int8 for 'image' of 'u0.5'. Convert with inference_type" in integers["error"]
    assert 'Received: "segment". This bundle has a program that is not run' in segments["error"]


def test_arguments_that_cannot_be_right():
    bad = [
        {"x": encoded(X), "utilization": 1.5},
        {"x": encoded(X[:3])},
        {"x": encoded(X), "utilization": 0},
        {"x": encoded(X.astype("int32"))},
        {"x": {**encoded(np.zeros(16, "uint8")), "width": 4, "height": 4}},
        {"inputs": {"picture": encoded(X)}},
    ]
    (found,) = ask([{"bundle": str(GOLDEN / "version_3"), "calls": bad}])
    expected = [
        "Invalid value for `utilization`. Expected a number in (0, 1]. Received: utilization=1.5",
        "Invalid value for `x`. Expected 16 numbers of one sample, of shape [4,4,1]. Received: 3",
        "Invalid value for `utilization`. Expected a number in (0, 1]. Received: utilization=0",
        "Invalid value for `x`. Expected a Float32Array. Received: Int32Array",
        "Expected numbers. Received: a picture, and no word of its scale",
        "Expected an object with the keys image. Received: the keys picture",
    ]
    for answer, message in zip(found["answers"], expected, strict=True):
        assert message in answer["error"]
