"""An int8 bundle of a small throttled network, and the sources made of it."""

import importlib.util

import keras
import numpy as np
import pytest

import keras_tnn
import tnn_tflite
from tnn_tflite.micro import export_micro

LEVELS = (0.25, 0.5, 1.0)

if importlib.util.find_spec("tflite_micro") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def int8_bundle(tmp_path_factory):
    """Convolutions, pooling, dense layers and softmax in 8 bits, from the first to the last."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).random((64, 16, 16, 3), dtype="float32")
    model = keras_tnn.models.VGG(
        (16, 16, 3), 10, num_groups=4, filters=((16,), (32,)), dense_units=32
    )
    return tnn_tflite.convert(
        model,
        tmp_path_factory.mktemp("micro") / "bundle",
        LEVELS,
        calibration_data=x,
        quantization="int8",
        representative_data=x,
        inference_type="int8",
        verbose=False,
    )


@pytest.fixture(scope="session")
def exported(int8_bundle, tmp_path_factory):
    return export_micro(int8_bundle.directory, tmp_path_factory.mktemp("micro") / "sources")
