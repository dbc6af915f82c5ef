"""Bundles of each version, as they lie on devices, are read and run as ever."""

import json
import shutil

import numpy as np
import pytest

from golden.answers import (
    FOLDER,
    LEVEL_SEGMENTS,
    LEVELS,
    SEGMENTS,
    VERSIONS,
    answers,
    choices,
    exit_answers,
    point_answers,
    sample,
)
from second_reader import SecondReader
from tnn_tflite import BundleError, Dispatcher, dequantize, read_bundle
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.dispatch.trial import try_bundle

ANSWERS = json.loads((FOLDER / "answers.json").read_text())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_dispatcher_answers_as_ever(version):
    dispatcher = Dispatcher(FOLDER / version)
    assert [level.utilization for level in dispatcher.levels] == list(LEVELS)
    for found, expected in zip(answers(dispatcher), ANSWERS[version], strict=True):
        if version == "version_2":  # integers
            assert found == expected
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)  # of any processor


@pytest.mark.parametrize("version", VERSIONS)
def test_the_second_reader_answers_the_same(version):
    dispatcher = Dispatcher(FOLDER / version)
    reader = SecondReader(FOLDER / version, find_runtime().interpreter_class)
    x = sample(dispatcher.bundle.inputs[0])
    for level in dispatcher.levels:
        expected = dispatcher(x, level.utilization)
        if level.input_quantization:
            (into,), (out,) = level.input_quantization, level.output_quantization
            found = reader.run(dequantize(x, into), level.utilization)
            expected = dequantize(expected, out)
        else:
            found = reader.run(x, level.utilization)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_controller_chooses_as_ever():
    """A dark sample has the controller's own answer, a bright one that of the full level."""
    directory = FOLDER / "version_3_controller"
    reader = SecondReader(directory, find_runtime().interpreter_class)
    dispatcher = Dispatcher(directory)
    found, expected = choices(dispatcher), ANSWERS["choices"]
    assert [u for u, _ in found] == [u for u, _ in expected] == [0.5, 1.0]
    for shift, (_, output), (_, golden) in zip((-1, 1), found, expected, strict=True):
        np.testing.assert_allclose(output, golden, rtol=1e-5, atol=1e-5)  # of any processor
        again = reader.run(sample(dispatcher.bundle.inputs[0]) + shift)
        np.testing.assert_allclose(again, output, rtol=1e-6, atol=1e-6)


def test_the_exits_answer_as_ever():
    dispatcher = Dispatcher(FOLDER / SEGMENTS)
    reader = SecondReader(FOLDER / SEGMENTS, find_runtime().interpreter_class)
    found, expected = exit_answers(dispatcher), ANSWERS["exits"]
    assert [*found] == [*expected] == ["early", "middle", "scores"]
    again = dict(reader.exits(sample(dispatcher.bundle.inputs[0])))
    assert [*again] == [*expected]
    for name, golden in expected.items():
        np.testing.assert_allclose(found[name], golden, rtol=1e-5, atol=1e-5)  # of any processor
        np.testing.assert_allclose(again[name], found[name], rtol=1e-6, atol=1e-6)
    bundle = read_bundle(FOLDER / SEGMENTS)
    assert [program.role for program in bundle.programs] == ["segment"] * 3
    assert (bundle.format_version, bundle.layout) == (3, "files")
    assert {edge.source for edge in bundle.edges} == {"early", "middle"}
    assert bundle.labels == {"scores": ("cat", "dog", "emu")}
    try_bundle(bundle, find_runtime())


def test_the_exits_of_levels_answer_as_ever():
    dispatcher = Dispatcher(FOLDER / LEVEL_SEGMENTS)
    reader = SecondReader(FOLDER / LEVEL_SEGMENTS, find_runtime().interpreter_class)
    found, expected = point_answers(dispatcher), ANSWERS["points"]
    titles = [f"exit '{exit}' at u={u:g}" for u in LEVELS for exit in ("early", "scores")]
    assert [*found] == [*expected] == titles
    x = sample(dispatcher.bundle.inputs[0])
    again = [answer for u in LEVELS for _, answer in reader.exits(x, u)]
    for second, (title, golden) in zip(again, expected.items(), strict=True):
        np.testing.assert_allclose(found[title], golden, rtol=1e-5, atol=1e-5)  # of any processor
        np.testing.assert_allclose(second, found[title], rtol=1e-6, atol=1e-6)
    bundle = read_bundle(FOLDER / LEVEL_SEGMENTS)
    assert [program.role for program in bundle.programs] == ["level_segment"] * 4
    assert (bundle.format_version, bundle.layout) == (3, "files")
    try_bundle(bundle, find_runtime())


def test_what_each_version_has():
    one, two, three, controlled = (read_bundle(FOLDER / version) for version in VERSIONS)
    assert [bundle.format_version for bundle in (one, two, three)] == [1, 2, 3]
    assert [bundle.layout for bundle in (one, two, three)] == ["files", "single", "signatures"]
    assert [bundle.inputs[0].dtype for bundle in (one, two, three)] == [
        "float32",
        "int8",
        "float32",
    ]
    assert [bool(bundle.levels[0].input_quantization) for bundle in (one, two)] == [False, True]
    assert [bundle.labels for bundle in (one, two)] == [{}, {}]
    assert three.labels == {"scores": ("cat", "dog", "emu")}
    for bundle in (one, two, three):
        assert [program.name for program in bundle.programs] == ["u0.5", "u1.0"]
        assert [program.role for program in bundle.programs] == ["level", "level"]
    assert [program.name for program in controlled.programs] == ["controller", "u0.5", "u1.0"]
    assert (controlled.format_version, controlled.layout) == (3, "single")
    for bundle in (one, two, three, controlled):
        assert bundle.outputs[0].name == "scores"
        try_bundle(bundle, find_runtime())


@pytest.mark.parametrize(
    ("version", "limit"),
    [*((version, 9_000) for version in VERSIONS), (SEGMENTS, 13_000), (LEVEL_SEGMENTS, 16_000)],
)
def test_they_are_small(version, limit):
    assert sum(path.stat().st_size for path in (FOLDER / version).iterdir()) < limit  # bytes


@pytest.mark.parametrize("kind", ["input", "output"])
@pytest.mark.parametrize("key, value", [("scale", 1e6), ("zero_point", 3)])
def test_what_integers_stand_for_is_what_the_file_says(tmp_path, kind, key, value):
    """A forged scale would turn a right answer into a wrong one."""
    bundle = shutil.copytree(FOLDER / "version_2", tmp_path / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest.pop("manifest_sha256", None)
    manifest["levels"][-1][f"{kind}_quantization"][0][key] = value
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"Expected the tensors .*\* \(integer - .*in 'lev"):
        Dispatcher(bundle).warm_up()
