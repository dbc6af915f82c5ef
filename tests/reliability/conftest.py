"""Small sound bundles, float32 and int8, to be damaged."""

import os
import subprocess
import sys

import pytest

from golden.answers import FOLDER, LEVEL_SEGMENTS, SEGMENTS
from small_networks_to_ship import level_contents, make_network
from tnn_tflite.conversion.controller import controller_content
from tnn_tflite.conversion.converter import write_levels
from tnn_tflite.quantization.plan import FLOAT


@pytest.fixture(scope="session")
def networks():
    import keras

    keras.utils.set_random_seed(0)
    return {0.5: make_network(4), 1.0: make_network(8)}


@pytest.fixture(scope="session")
def contents(networks):
    """The float32 levels, converted once."""
    return level_contents(networks)


@pytest.fixture(scope="session")
def int8_contents(networks):
    return level_contents(networks, "float32")


@pytest.fixture(scope="session")
def float_bundle(contents, tmp_path_factory):
    """A float32 bundle that no test changes, as the others here."""
    return write(tmp_path_factory, "float", contents)


@pytest.fixture(scope="session")
def int8_bundle(int8_contents, tmp_path_factory):
    """Full integer kernels, inputs and outputs in float32."""
    return write(tmp_path_factory, "int8", int8_contents)


@pytest.fixture(scope="session")
def integer_bundle(networks, tmp_path_factory):
    """Full integer kernels, inputs and outputs in int8."""
    return write(tmp_path_factory, "integer", level_contents(networks, "int8"))


@pytest.fixture(scope="session")
def single_bundle(contents, tmp_path_factory):
    """The float32 levels in one file, with a plan by which they are cut."""
    return write(tmp_path_factory, "single", contents, layout="single")


@pytest.fixture(scope="session")
def int8_single_bundle(int8_contents, tmp_path_factory):
    """The int8 levels in one file."""
    return write(tmp_path_factory, "int8-single", int8_contents, layout="single")


@pytest.fixture(scope="session")
def signatures_bundle(contents, tmp_path_factory):
    """The float32 levels as the signatures of one file."""
    return write(tmp_path_factory, "signatures", contents, layout="signatures")


@pytest.fixture(scope="session")
def controlled_bundle(contents, networks, tmp_path_factory):
    """The float32 levels with a controller that has the lowest level's answer."""
    import keras

    low = networks[0.5]
    choice = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(low.input))
    controller = keras.Model(low.input, {"choice": choice, "answer": low.output})
    program = controller_content(controller, contents[0], num_levels=2, plan=FLOAT)
    return write(tmp_path_factory, "controlled", contents, controller=program)


@pytest.fixture(scope="session")
def segments_bundle():
    """Three segments with exits; the third reads what the first two hand on, and the image."""
    return FOLDER / SEGMENTS


@pytest.fixture(scope="session")
def level_segments_bundle():
    """Two levels of two segments each."""
    return FOLDER / LEVEL_SEGMENTS


def write(tmp_path_factory, name, contents, **options):
    return write_levels(tmp_path_factory.mktemp(name) / "bundle", contents, **options).directory


@pytest.fixture(scope="session")
def start_alone():
    """Starts a program in a Python of its own; it is killed with the test that started it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def start(program, *arguments, **options):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.Popen(command, env=environment, **options)

    return start
