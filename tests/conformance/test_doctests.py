"""The examples in the docstrings of both packages run and print what they say."""

import doctest
import importlib
import pkgutil

import keras
import numpy as np
import pytest

import keras_tnn
import tnn_tflite

WORLD = {"keras": keras, "keras_tnn": keras_tnn, "np": np, "tnn": keras_tnn}
WORLD["tnn_tflite"] = tnn_tflite


def modules_of(package) -> list[str]:
    return [
        package.__name__,
        *(x.name for x in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")),
    ]


@pytest.mark.parametrize("name", modules_of(keras_tnn) + modules_of(tnn_tflite))
def test_examples(name, tmp_path, monkeypatch):
    if name.endswith("__main__"):
        return  # importing it would run it
    module = importlib.import_module(name)
    monkeypatch.chdir(tmp_path)  # an example may write files
    result = doctest.testmod(module, extraglobs=WORLD)
    assert result.failed == 0


def test_a_wrong_example_is_seen():
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(example, out=lambda text: None)
    assert runner.failures == 1
