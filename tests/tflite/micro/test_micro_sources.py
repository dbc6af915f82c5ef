"""The sources compile with nothing but the host's compiler, and say what the bundle says."""

import re
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from tnn_tflite.utilization import level_index

EXAMPLE = Path(__file__).parents[3] / "examples/micro/main.cc"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

needs_compilers = pytest.mark.skipif(
    None in (shutil.which("c++"), shutil.which("cc")), reason="needs a C and a C++ compiler"
)


def compiled(command, cwd):
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def run_example(exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    sources = [str(path) for path in exported.directory.resolve().glob("*.cc")]
    include = f"-I{exported.directory.resolve()}"
    compiled(
        ["c++", "-std=c++11", *STRICT, include, str(EXAMPLE), *sources, "-o", "levels"], folder
    )

    def run(*utilizations):
        command = [str(folder / "levels"), *(repr(float(u)) for u in utilizations)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True
        ).stdout.splitlines()

    return run


@needs_compilers
def test_the_table_is_that_of_the_bundle(run_example, exported, int8_bundle):
    printed = [line for line in run_example() if line.startswith("u=")]
    for line, level, micro in zip(printed, int8_bundle.levels, exported.levels, strict=True):
        content = int8_bundle.read_level(level)
        assert line == (
            f"u={level.utilization:g} bytes={level.bytes} macs={level.macs} "
            f"arena={micro.arena_bytes} aligned=1 adler32={zlib.adler32(content):08x}"
        )


@needs_compilers
def test_inputs_and_outputs_are_those_of_the_bundle(run_example, int8_bundle):
    tensors = [line.strip() for line in run_example() if line.startswith("  ")]
    expected = []
    for level in int8_bundle.levels:
        (x,), (y,) = level.input_quantization, level.output_quantization
        names = int8_bundle.inputs[0].name, int8_bundle.outputs[0].name
        expected += [
            f"input {names[0]} type=1 shape=1x16x16x3 scale={np.float32(x.scale):.9g} "
            f"zero_point={x.zero_point}",
            f"output {names[1]} type=1 shape=1x10 scale={np.float32(y.scale):.9g} "
            f"zero_point={y.zero_point}",
        ]
    assert tensors == expected


@needs_compilers
def test_the_arena_of_all_is_the_largest(run_example, exported):
    assert f"arena for all={exported.levels[-1].arena_bytes}" in run_example()


@needs_compilers
def test_the_level_for_a_utilization_is_that_of_the_dispatcher(run_example, int8_bundle):
    levels = [level.utilization for level in int8_bundle.levels]
    asked = [*np.random.default_rng(0).uniform(1e-9, 1, 300), *levels]
    asked += [u + step for u in levels for step in (-2e-6, -1e-6, -9e-7, 9e-7)]
    asked += [float(np.float32(0.5)), float(np.nextafter(0.5 - 1e-6, 0))]
    printed = [re.search("-> u=(.*)", line) for line in run_example(*asked)]
    chosen = [float(match[1]) for match in printed if match]
    assert chosen == [levels[level_index(levels, u)] for u in asked]


@needs_compilers
def test_the_header_is_plain_c(exported, tmp_path):
    program = '#include "tnn_levels.h"\nint main(void) { return tnn_level_for(1.0)->macs == 0; }\n'
    (tmp_path / "program.c").write_text(program)
    include = f"-I{exported.directory.resolve()}"
    compiled(["cc", "-std=c99", *STRICT, include, "-c", "program.c"], tmp_path)


def test_the_resolver_adds_each_operator_once(exported):
    """Two convolutions, two poolings, two dense layers: five kinds, as tflite-micro names them."""
    text = (exported.directory / "tnn_operators.h").read_text()
    assert "tflite::MicroMutableOpResolver<5>" in text
    assert re.findall(r"resolver\.(\w+)\(\)", text) == [
        "AddConv2D",
        "AddFullyConnected",
        "AddMaxPool2D",
        "AddReshape",
        "AddSoftmax",
    ]
