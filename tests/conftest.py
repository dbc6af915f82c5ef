"""Every test starts from the same random seed, and TensorFlow's start-up notes stay quiet."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is first imported

import keras  # noqa: E402
import pytest  # noqa: E402


@pytest.fixture(autouse=True)
def random_seed():
    keras.utils.set_random_seed(0)
