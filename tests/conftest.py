"""Every test starts from the same random seed, and TensorFlow's start-up notes stay quiet."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is first imported

import hypothesis  # noqa: E402
import keras  # noqa: E402
import pytest  # noqa: E402

# The first call of a Keras layer takes long, and machines are shared: time says nothing here.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


@pytest.fixture(autouse=True)
def random_seed():
    keras.utils.set_random_seed(0)
