"""A public class that nobody described is a class that nobody checks."""

import importlib
import inspect
import pkgutil

import pytest

import keras_tnn
from descriptors import described

ROOMS = [module.name for module in pkgutil.iter_modules(keras_tnn.__path__) if module.ispkg]


def public_names(module) -> dict:
    return {name: getattr(module, name) for name in module.__all__}


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_class_has_a_descriptor(room):
    module = importlib.import_module(f"keras_tnn.{room}")
    classes = {obj for obj in public_names(module).values() if inspect.isclass(obj)}
    assert classes - described() == set()


def test_every_network_has_a_descriptor():
    networks = {obj for name, obj in public_names(keras_tnn.models).items() if name[0].isupper()}
    assert networks - described() == set()


def test_all_says_the_truth():
    for module in [keras_tnn, *(importlib.import_module(f"keras_tnn.{room}") for room in ROOMS)]:
        assert len(set(module.__all__)) == len(module.__all__)
        assert set(public_names(module)) == set(module.__all__)
