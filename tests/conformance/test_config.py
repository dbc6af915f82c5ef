"""An object made from another's configuration is configured alike, also by way of JSON."""

import json

import keras
import numpy as np
import pytest

from descriptors import CONFIGURABLE


@pytest.mark.parametrize("descriptor", CONFIGURABLE, ids=str)
def test_config_round_trip(descriptor):
    made = descriptor.make()
    config = made.get_config()
    again = descriptor.public.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config


@pytest.mark.parametrize("descriptor", CONFIGURABLE, ids=str)
def test_config_holds_every_argument(descriptor):
    config = descriptor.make().get_config()
    for name, value in descriptor.arguments.items():
        # Keras spreads sizes: a kernel size of 3 comes back as (3, 3).
        assert np.all(np.asarray(config[name]) == np.asarray(value)), name


@pytest.mark.parametrize("descriptor", CONFIGURABLE, ids=str)
def test_is_found_by_its_registered_name(descriptor):
    saved = keras.saving.serialize_keras_object(descriptor.make())
    assert saved["registered_name"].startswith("keras_tnn>")
    assert isinstance(keras.saving.deserialize_keras_object(saved), descriptor.public)
