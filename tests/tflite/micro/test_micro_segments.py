"""A network with exits in a firmware: what the header says is enough to run it, exit after exit."""

import re
import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from tflite_micro.python.tflite_micro import runtime

import keras_tnn as tnn
import tnn_tflite
from tnn_tflite.micro import export_micro

EXAMPLE = Path(__file__).parents[3] / "examples/micro/segments.cc"
ARENA = 1_000_000  # bytes, more than this network needs
LEVELS, EXITS = (0.5, 1.0), ("exit1", "exit2", "scores")
X = np.random.default_rng(0).random((64, 8, 8, 3), dtype="float32")

needs_compilers = pytest.mark.skipif(
    None in (shutil.which("c++"), shutil.which("cc")), reason="needs a C and a C++ compiler"
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Two levels of three exits; the last segment reads the image again."""
    keras.utils.set_random_seed(0)
    image, u = keras.Input((8, 8, 3), name="image"), keras.Input((1,), name="utilization")
    gates = tnn.gates.Nested(4)(u)
    wide = [
        tnn.layers.ThrottleableConv2D(8, 3, padding="same", num_groups=4, activation="relu")
        for _ in range(3)
    ]
    x = wide[0]([image, gates])
    y = wide[1]([x, gates])
    z = keras.layers.Concatenate()([wide[2]([y, gates]), image])
    pooled = [keras.layers.GlobalAveragePooling2D()(one) for one in (x, y, z)]
    heads = [
        keras.layers.Dense(4, activation="softmax", name=name)(one)
        for one, name in zip(pooled, EXITS, strict=True)
    ]
    return tnn_tflite.convert(
        keras.Model([image, u], heads),
        tmp_path_factory.mktemp("micro") / "bundle",
        LEVELS,
        exits=True,
        quantization="int8",
        representative_data=X,
        inference_type="int8",
        verbose=False,
    )


@pytest.fixture(scope="module")
def exported(bundle, tmp_path_factory):
    return export_micro(bundle.directory, tmp_path_factory.mktemp("micro") / "sources")


def test_what_is_written(exported, bundle):
    arrays = {f"tnn_segment_{number}.cc" for number in range(6)}
    others = {"tnn_segments.h", "tnn_segments.cc", "tnn_operators.h", "memory.txt"}
    assert set(exported.files) == arrays | others
    table = str(exported).splitlines()
    assert [line.split()[:2] for line in table[1:7]] == [
        [f"{u:g}", exit] for u in LEVELS for exit in EXITS
    ]
    assert table[7].split()[1] == f"{sum(one.bytes for one in bundle.segments):,}"


@pytest.fixture(scope="module")
def printed(exported, tmp_path_factory):
    """The example's lines at some utilizations."""
    folder = tmp_path_factory.mktemp("build")
    sources = [str(path) for path in exported.directory.resolve().glob("*.cc")]
    command = ["c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command += [f"-I{exported.directory.resolve()}", str(EXAMPLE), *sources, "-o", "segments"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr

    def run(*utilizations):
        command = [str(folder / "segments"), *map(str, utilizations)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


def on_tflite_micro(text, contents, x):
    """Runs what the example printed, as a firmware would: numbers, no names and no manifest."""
    made, answers = [], []
    blocks = re.split("^u=", text, flags=re.MULTILINE)[1:]
    for block, content in zip(blocks, contents, strict=True):
        interpreter = runtime.Interpreter.from_bytes(content, arena_size=ARENA)
        for place, origin in enumerate(re.findall(r"from=(-?\d+)\.(\d+)", block)):
            segment, index = map(int, origin)
            interpreter.set_input(x if segment < 0 else made[segment][index], place)
        interpreter.invoke()
        count = len(re.findall("^  output", block, re.MULTILINE))
        made.append([interpreter.get_output(i).copy() for i in range(count)])
        answers.append(made[-1][int(re.search(r"answer=(\d+)", block)[1])][0])
    return answers


@needs_compilers
def test_the_chain_runs_on_tflite_micro(printed, bundle):
    dispatcher = tnn_tflite.Dispatcher(bundle.directory)
    for u, chain in zip(LEVELS, bundle.chains, strict=True):
        text = printed(u)
        assert re.findall("exit=(\\w+)", text) == list(EXITS)
        assert "aligned=0" not in text
        contents = [bundle.read_level(one) for one in chain.segments]
        for q in np.random.default_rng(1).integers(-128, 128, (5, 8, 8, 3)).astype("int8"):
            found = on_tflite_micro(text, contents, q[None])
            expected = [one.outputs for one in dispatcher.anytime(q, utilization=u)]
            # Kernels round near a tie otherwise: a step of a layer, seen through softmax.
            np.testing.assert_allclose(found, expected, atol=2)
        assert len(np.unique(expected)) > 3  # answers are not all alike


@needs_compilers
def test_the_level_for_a_utilization(printed):
    lines = printed(0.1, 0.5, 0.99, 1.0)
    assert re.findall(r"^u=(\S+) exit=exit1", lines, re.MULTILINE) == ["0.5", "0.5", "0.5", "1"]
    assert re.search(r"^arena=[1-9]\d+ handed=[1-9]\d+$", lines, re.MULTILINE)


def test_what_is_handed_on(exported, bundle):
    """The largest sum over a level, in bytes of int8: 8 channels of 8x8 twice."""
    text = (exported.directory / "tnn_segments.h").read_text()
    handed = [spec for one in bundle.chains[-1].segments for spec in one.outputs[1:]]
    assert {spec.dtype for spec in handed} == {"int8"}
    expected = sum(int(np.prod(spec.shape)) for spec in handed)
    assert f"#define TNN_HANDED_BYTES {expected}\n" in text


@needs_compilers
def test_the_header_is_plain_c(exported, tmp_path):
    program = '#include "tnn_segments.h"\n'
    program += "int main(void) { return tnn_segments_for(1.0)[0].macs == 0; }\n"
    (tmp_path / "program.c").write_text(program)
    command = ["cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command += [f"-I{exported.directory.resolve()}", "-c", "program.c"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def test_one_level_is_a_chain_too(tmp_path):
    """A plain network in float32, of which `micro` measures no arena here."""
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3)(image)
    y = keras.layers.Conv2D(4, 3)(x)
    pooled = keras.layers.GlobalAveragePooling2D()
    heads = [keras.layers.Dense(2, name=n)(pooled(one)) for one, n in ((x, "a"), (y, "b"))]
    model = keras.Model(image, heads)
    tnn_tflite.convert(model, tmp_path / "bundle", exits=True, verbose=False)
    with pytest.warns(UserWarning, match="The levels 1 a, 1 b compute in float32"):
        report = export_micro(tmp_path / "bundle", tmp_path / "out", measure_arena=False)
    assert [(one.utilization, one.exit) for one in report.levels] == [(1.0, "a"), (1.0, "b")]
    handed = 1 - report.levels[0].answer
    assert [one.origins for one in report.levels] == [((-1, 0),), ((0, handed),)]
