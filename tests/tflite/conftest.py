"""A small bundle, made of plain Keras networks of several widths."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from hand_made_controllers import make_controller
from tnn_tflite import Dispatcher, convert
from tnn_tflite.bundle.writer import write_bundle
from tnn_tflite.conversion.converter import level_content

SHAPE = (8, 8, 3)


def make_network(width: int):
    """A plain network, as `keras_tnn.materialize` gives: `logits` from `image`."""
    import keras

    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Conv2D(width, 3, activation="relu")(image)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(4, name="logits")(x))


@pytest.fixture(scope="session")
def controlled_bundle(networks, tmp_path_factory):
    """The shared bundle with a controller; no test changes it."""
    directory = tmp_path_factory.mktemp("controlled") / "bundle"
    return convert(networks, directory, controller=make_controller(), verbose=False).directory


@pytest.fixture(scope="session")
def networks():
    """The Keras network of each level."""
    import keras

    keras.utils.set_random_seed(0)
    return {0.25: make_network(2), 0.5: make_network(4), 1.0: make_network(8)}


@pytest.fixture(scope="session")
def shared_bundle(networks, tmp_path_factory):
    """A bundle that no test changes."""
    directory = tmp_path_factory.mktemp("shared") / "bundle"
    write_bundle(directory, (level_content(net, u) for u, net in networks.items()))
    return directory


@pytest.fixture
def bundle(shared_bundle, tmp_path):
    """A bundle to change."""
    return shutil.copytree(shared_bundle, tmp_path / "bundle")


@pytest.fixture(scope="session")
def run_alone():
    """Runs a program in a Python of its own, where nothing is imported yet."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(program, *arguments):
        return subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture(scope="session")
def dispatcher(shared_bundle):
    return Dispatcher(shared_bundle)


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).normal(size=(5, *SHAPE)).astype("float32")
