"""Models load in a process that has made none before.

The first functional model of a class has Keras put its own class of functional models in the place
of `keras.Model` below it, base by base. A class of ours that it met twice would be an error.
"""

import keras
import pytest

import keras_tnn as tnn

MODELS = [
    cls
    for cls in keras.saving.get_custom_objects().values()
    if isinstance(cls, type) and issubclass(cls, keras.Model) and "keras_tnn" in cls.__module__
]


def bases_below(cls) -> list[type]:
    """Classes of this package, as often as Keras would meet them."""
    own = [base for base in cls.__bases__ if base.__module__.startswith(tnn.__name__)]
    return own + [one for base in own for one in bases_below(base)]


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_no_class_is_met_twice(cls):
    found = bases_below(cls)
    assert sorted(map(repr, found)) == sorted(map(repr, {*found}))
