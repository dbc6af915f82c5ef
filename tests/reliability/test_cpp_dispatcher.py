"""The C++ dispatcher reads, cuts and answers as the Python one, and refuses what it refuses.

Reading and cutting run under the compiler's sanitizers, so that an error of memory is a failure.
"""

import hashlib
import importlib.util
import json
import random
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import keras_tnn as tnn
import mutations
from golden.answers import FOLDER, VERSIONS, sample
from tnn_tflite import Dispatcher, convert, dequantize, quantize
from tnn_tflite.policies import LatencyTarget
from tnn_tflite.policies.policy import KnownLevel
from tnn_tflite.sharing import plan

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("cpp_driver.cc")
REFUSED = 3  # exit status
BUNDLES = ("float_bundle", "int8_bundle", "signatures_bundle", "controlled_bundle")
BUNDLES += ("sliced_bundle", "int8_sliced_bundle")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compiles the driver against the header in one file; `options` are the compiler's."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler here")
    folder = tmp_path_factory.mktemp("cpp")
    script = [sys.executable, ROOT / "cpp/single_header.py", folder / "tnn_dispatcher.h"]
    subprocess.run(script, check=True, timeout=60)
    (folder / "zlib.cc").write_text("#include <zlib.h>\n")
    found = subprocess.run([compiler, "-E", folder / "zlib.cc"], capture_output=True)
    if found.returncode != 0:
        pytest.skip("no headers of zlib here")

    def build(name, *options, source=DRIVER):
        warnings = ["-std=c++17", "-Wall", "-Wextra", "-Werror"]
        command = [compiler, *warnings, f"-I{folder}", source, "-o", folder / name, *options, "-lz"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
        return folder / name

    return build


@pytest.fixture(scope="module")
def reader(compiled):
    """The driver without a runtime: it reads, cuts and chooses."""
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return compiled("reader", "-g", "-DTNN_NO_LITERT", *sanitizers)


@pytest.fixture(scope="module")
def litert():
    """The compiler's options for the library of the wheel ai-edge-litert."""
    found = importlib.util.find_spec("ai_edge_litert")
    library = found and Path(found.origin).with_name("libLiteRt.so")
    if not library or not library.exists():
        pytest.skip("the wheel ai-edge-litert with its libLiteRt.so is not here")
    return library, f"-Wl,-rpath,{library.parent}"


@pytest.fixture(scope="module")
def runner(compiled, litert):
    """The driver on LiteRT."""
    return compiled("runner", "-O1", *litert)


@pytest.fixture(params=BUNDLES)
def bundle(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def throttled():
    """A network whose levels are slices of the full one, with statistics of their own."""
    keras.utils.set_random_seed(0)
    return tnn.models.VGG((8, 8, 3), 4, 4, filters=((8, 8), (16,)), dense_units=16)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(1, 2, size=(40, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def sliced_bundle(throttled, x, tmp_path_factory):
    directory = tmp_path_factory.mktemp("sliced") / "bundle"
    options = {"layout": "single", "calibration_data": x, "verbose": False}
    return convert(throttled, directory, (0.25, 0.5, 1.0), **options).directory


@pytest.fixture(scope="module")
def int8_sliced_bundle(throttled, x, tmp_path_factory):
    directory = tmp_path_factory.mktemp("sliced") / "int8"
    options = {"layout": "single", "quantization": "int8", "inference_type": "int8"}
    options |= {"representative_data": x, "calibration_data": x, "verbose": False}
    return convert(throttled, directory, (0.25, 0.5, 1.0), **options).directory


@pytest.fixture(scope="module")
def two_inputs(tmp_path_factory):
    """Two inputs and two outputs in int8, each level with scales of its own, in one file."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(20, 6)).astype("float32"), rng.random((20, 4, 2), "float32")]

    def network(width):
        x, y = keras.Input((6,), name="signal"), keras.Input((4, 2), name="grid")
        both = keras.layers.Concatenate()([x, keras.layers.Flatten()(y)])
        hidden = keras.layers.Dense(width, activation="relu")(both)
        heads = [keras.layers.Dense(n, name=name)(hidden) for n, name in ((3, "b"), (5, "a"))]
        return keras.Model([x, y], dict(zip(("b", "a"), heads, strict=True)))

    return convert(
        {0.5: network(4), 1.0: network(8)},
        tmp_path_factory.mktemp("two") / "bundle",
        quantization="int8",
        inference_type="int8",
        representative_data=data,
        layout="single",
        verbose=False,
    ).directory


def ask(driver, *arguments, stdin=None):
    command = [driver, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, input=stdin)


def refusal(driver, *arguments):
    """What the header says as it refuses."""
    result = ask(driver, *arguments)
    assert result.returncode == REFUSED, result.stdout + result.stderr
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("version", VERSIONS)
def test_reads_a_manifest_of_each_version(reader, version):
    levels = Dispatcher(FOLDER / version).levels
    expected = [f"{x.utilization:g} {x.file} {x.macs} {x.bytes} {x.sha256}" for x in levels]
    lines = ask(reader, "read", FOLDER / version).stdout.splitlines()
    assert lines[: len(levels)] == expected
    labels = ["labels scores cat dog emu"] if version == "version_3" else []
    assert lines[len(levels) :] == labels


@pytest.mark.parametrize("u", [0.01, 0.5, float(np.float32(0.7)), 0.7, 0.999, 1.0])
def test_chooses_the_level_that_python_chooses(reader, u):
    dispatcher = Dispatcher(FOLDER / "version_3")
    expected = dispatcher.levels.index(dispatcher.level_for(u))
    assert int(ask(reader, "index", FOLDER / "version_3", repr(u)).stdout) == expected


@pytest.mark.parametrize("u", ["0", "-0.5", "1.01", "nan"])
def test_refuses_a_utilization_that_is_none(reader, u):
    assert "Expected a number in (0, 1]" in refusal(reader, "index", FOLDER / "version_3", u)


def test_each_level_is_the_file_that_its_hash_is_of(reader, bundle, tmp_path):
    assert ask(reader, "cut", bundle, tmp_path).returncode == 0
    levels = Dispatcher(bundle).levels
    found = [(tmp_path / str(i)).read_bytes() for i in range(len(levels))]
    assert [hashlib.sha256(x).hexdigest() for x in found] == [x.sha256 for x in levels]


def test_these_bundles_ask_for_every_way_to_cut(sliced_bundle, int8_sliced_bundle):
    kinds = set()
    for bundle in (sliced_bundle, int8_sliced_bundle):
        level = Dispatcher(bundle).levels[0]
        with open(bundle / level.file, "rb") as file:
            for hole in plan.read_entry(file, 0, level.bytes).holes:
                kinds |= {(hole.dtype, hole.source, any(hole.take), hole.factor is not None)}
    assert {source for _, source, _, _ in kinds} == {"base", "level", "plan"}
    assert ("float32", "base", True, True) in kinds
    assert ("int8", "base", True, False) in kinds


def outputs(driver, question, directory, u, arrays, out):
    source = out.with_suffix(".in")
    source.write_bytes(b"".join(np.ascontiguousarray(x).tobytes() for x in arrays))
    result = ask(driver, question, directory, u, source, out)
    assert result.returncode == 0, result.stderr
    return out.read_bytes()


@pytest.mark.parametrize("u", [0.5, 1.0])
def test_answers_are_those_of_python(runner, bundle, u, tmp_path):
    dispatcher = Dispatcher(bundle)
    x = sample(dispatcher.bundle.inputs[0])
    expected = dispatcher(x, u)
    found = np.frombuffer(
        outputs(runner, "bytes", bundle, u, [x], tmp_path / "out"), expected.dtype
    )
    if expected.dtype == np.int8:
        np.testing.assert_array_equal(found, expected)  # integers to the byte
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("u", [0.5, 1.0])
def test_integers_are_those_of_python(reader, two_inputs, u, tmp_path):
    """Ties as well, which go to the even integer, and numbers that no integer stands for."""
    level = Dispatcher(two_inputs).level_for(u)
    first, second = level.input_quantization
    signal = (first.scale * np.array([0.5, 1.5, 2.5, -0.5, 1e6, -1e6])).astype("float32")
    grid = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    expected = [quantize(signal, first, "int8"), quantize(grid, second, "int8").reshape(-1)]
    found = outputs(reader, "integers", two_inputs, u, [signal, grid], tmp_path / "out")
    np.testing.assert_array_equal(np.frombuffer(found, "int8"), np.concatenate(expected))


def test_what_is_no_number_is_refused(reader, two_inputs, tmp_path):
    path = tmp_path / "in"
    path.write_bytes(np.full(14, np.nan, "float32").tobytes())
    said = refusal(reader, "integers", two_inputs, 1.0, path, tmp_path / "out")
    assert "Expected finite numbers" in said


@pytest.mark.parametrize("u", [0.5, 1.0])
def test_real_numbers_are_scaled_as_python_scales_them(runner, two_inputs, u, tmp_path):
    dispatcher = Dispatcher(two_inputs)
    level = dispatcher.level_for(u)
    rng = np.random.default_rng(1)
    reals = [3 * rng.normal(size=spec.shape).astype("float32") for spec in level.inputs]
    pairs = list(zip(reals, level.input_quantization, strict=True))
    answers = dispatcher([quantize(x, by, "int8") for x, by in pairs], u)
    by_name = zip(level.outputs, level.output_quantization, strict=True)
    expected = np.concatenate([dequantize(answers[spec.name], by) for spec, by in by_name])
    found = outputs(runner, "numbers", two_inputs, u, reals, tmp_path / "out")
    np.testing.assert_array_equal(np.frombuffer(found, "float32"), expected)


def test_the_program_of_the_page_runs(compiled, litert, float_bundle, tmp_path):
    page = (ROOT / "docs/cpp.md").read_text(encoding="utf-8")
    source = tmp_path / "program.cc"
    source.write_text(re.findall(r"```cpp\n(.*?)```", page, re.DOTALL)[0])
    program = compiled("program", "-O1", *litert, source=source)
    dispatcher = Dispatcher(float_bundle)
    image = np.full(dispatcher.bundle.inputs[0].shape, 0.5, "float32")
    expected = [f"u={u:g} class {dispatcher(image, u).argmax()}" for u in (0.5, 1.0)]
    *lines, last = ask(program, float_bundle).stdout.splitlines()
    assert lines == expected
    assert last in ("in 4 ms u=1", "in 4 ms u=0.5")  # as loaded as the machine is
    assert ask(program, tmp_path).returncode == 1


def test_a_target_picks_a_level_by_what_it_measures(runner, float_bundle):
    assert ask(runner, "target", float_bundle, 1000, 30).stdout == "1\n"
    assert ask(runner, "target", float_bundle, 1e-6, 30).stdout == "0.5\n"


@pytest.mark.parametrize("seed", range(4))
def test_the_closed_loop_is_pythons(reader, seed):
    """A device whose load wanders; both loops are told the same calls."""
    draw, clock = random.Random(seed), SimpleNamespace(time=0.0)
    times = (1.0, 2.0, 4.0, 8.0)
    levels = [KnownLevel((i + 1) / 4, 1, 1, 1, milliseconds=ms) for i, ms in enumerate(times)]
    policy = LatencyTarget(5.0, clock=lambda: clock.time)
    lines, expected, load = ["5 1 2 4 8"], [], 1.0
    for _ in range(600):
        clock.time += draw.choice((0.01, 0.05, 0.3))
        load = min(6.0, max(0.4, load * draw.choice((0.8, 1.0, 1.0, 1.0, 1.25))))
        index = round(4 * policy.choose(levels, {}).utilization) - 1
        taken = load * times[index] * draw.uniform(0.9, 1.1)
        lines.append(f"{clock.time!r} {times[index]!r} {taken!r}")
        policy.observe(
            SimpleNamespace(
                is_warm=True, expected_milliseconds=times[index], milliseconds_per_sample=taken
            )
        )
        expected.append(index)
    assert len(set(expected)) > 2  # or the loop had nothing to do
    answer = ask(reader, "law", stdin="\n".join(lines)).stdout
    assert list(map(int, answer.split())) == expected


def test_a_network_with_exits_is_refused(reader):
    assert "does not run a 'segment'" in refusal(reader, "read", FOLDER / "version_3_segments")


@pytest.mark.parametrize("kind", ["float_bundle", "sliced_bundle"])
def test_a_wrong_byte_is_found(reader, kind, request, tmp_path):
    bundle = shutil.copytree(request.getfixturevalue(kind), tmp_path / "bundle")
    path = next(path for path in bundle.iterdir() if path.suffix == ".tflite")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    assert "hash of the level" in refusal(reader, "cut", bundle, tmp_path)


def test_a_manifest_that_was_changed_is_found(reader, float_bundle, tmp_path):
    bundle = shutil.copytree(float_bundle, tmp_path / "bundle")
    path = bundle / "manifest.json"
    text = path.read_text()
    path.write_text(text.replace('"macs": ', '"macs": 1', 1))
    assert "its own hash" in refusal(reader, "read", bundle)
    without = {key: value for key, value in json.loads(text).items() if key != "manifest_sha256"}
    path.write_text(json.dumps(without))
    assert ask(reader, "read", bundle).returncode == 0  # by hand: nothing to check


@pytest.mark.parametrize("name", ["../u0.5.tflite", "a/b", ".", "", "link"])
def test_no_file_outside_of_the_folder_is_read(reader, float_bundle, name, tmp_path):
    bundle = shutil.copytree(float_bundle, tmp_path / "bundle")
    shutil.move(bundle / "u0.5.tflite", tmp_path)
    (bundle / "link").symlink_to(tmp_path / "u0.5.tflite")
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["manifest_sha256"]
    manifest["programs"][0]["file"] = name
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    assert "BundleError" in refusal(reader, "cut", bundle, tmp_path)


def set_entry(column, value):
    """Changes the first hole of the lower level that has something in a column."""

    def change(columns):
        place = next(i for i, entry in enumerate(columns[column]) if entry not in (None, 0, ""))
        columns[column][place] = value

    return change


def of_itself(columns):
    columns[3][0], columns[4][0] = "level", 0


HOSTILE = {
    "far behind": (set_entry(0, 2**40), "holes within a file"),
    "no dtype": (set_entry(1, "string"), "a dtype of weights"),
    "a huge shape": (set_entry(2, [2**31, 2**31]), "axes that agree|at most 2|within the array"),
    "an empty shape": (set_entry(2, [0]), "axes that agree|filled arrays"),
    "beyond the base": (set_entry(4, 2**31), "holes in the base|another one fills"),
    "of itself": (of_itself, "another one fills"),
    "no source": (set_entry(3, "network"), "a source"),
    "negative": (set_entry(4, -1), "a count"),
    "beyond the array": (set_entry(5, [[4], [[[3, 2]]]]), "axes that agree|within the array"),
    "wrapping": (set_entry(5, [[4], [[[0, 2**47]] * 4096]]), "axes that agree|within the array"),
    "a column less": (list.pop, "seven columns"),
    "a hole less": (
        lambda columns: [column.pop() for column in columns],
        "read all|make the level",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_plan_is_refused_before_it_is_followed(reader, sliced_bundle, name, tmp_path):
    change, words = HOSTILE[name]
    bundle = shutil.copytree(sliced_bundle, tmp_path / "bundle")
    path = bundle / "levels.tflite"
    path.write_bytes(with_header(path.read_bytes(), change))
    seal_shared(bundle)
    said = refusal(reader, "cut", bundle, tmp_path)
    assert any(one in said for one in words.split("|")), said


def with_header(content, change):
    """The shared file with another header of its lower level."""
    base, _, count, magic = plan.FOOTER.unpack(content[-plan.FOOTER.size :])
    inflated = zlib.decompress(content[base : -plan.FOOTER.size])
    sizes = [list(row) for row in plan.SIZES.iter_unpack(inflated[: count * plan.SIZES.size])]
    start, size = count * plan.SIZES.size, sizes[0][0]
    columns = json.loads(inflated[start : start + size])
    change(columns)
    header = json.dumps(columns).encode()
    sizes[0][0] = len(header)
    packed = b"".join(plan.SIZES.pack(*row) for row in sizes)
    inflated = packed + header + inflated[start + size :]
    footer = plan.FOOTER.pack(base, len(inflated), count, magic)
    return content[:base] + zlib.compress(inflated) + footer


def seal_shared(bundle):
    """Promises the shared file as it is now; a level's hash stays that of the level."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["manifest_sha256"]
    manifest["shared"]["bytes"] = (bundle / manifest["shared"]["file"]).stat().st_size
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("kind", ["float_bundle", "sliced_bundle", "int8_sliced_bundle"])
def test_whatever_was_damaged_the_reader_lives(reader, kind, request, tmp_path):
    sound, seen = request.getfixturevalue(kind), set()
    for seed in range(40):
        bundle = shutil.copytree(sound, tmp_path / f"mutant{seed}")
        done = mutations.mutate_bundle(bundle, random.Random(seed), sealed=seed % 2 == 0)
        result = ask(reader, "cut", bundle, tmp_path)
        assert result.returncode in (0, REFUSED), f"{seed} {done}: {result.stderr}"
        seen.add(result.returncode)
    assert seen == {0, REFUSED}  # else the mutants are too weak or too strong to tell anything
