"""Models can be made and loaded in any order, in a process that has made none before.

The first functional model of a class has Keras put its own class of functional models in the place
of `keras.Model` below it, base by base. So what a class is made of depends on what came before it:
a class of ours that is met twice is an error, and one that two classes share can put another one
out of order.
"""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_tnn as tnn

MODELS = [
    cls
    for cls in keras.saving.get_custom_objects().values()
    if isinstance(cls, type) and issubclass(cls, keras.Model) and "keras_tnn" in cls.__module__
]

PROGRAM = """
import sys
import keras
import numpy as np
import keras_tnn as tnn

folder, *order = sys.argv[1:]
x = np.ones((2, 8, 8, 3), "float32")


def plain():
    return tnn.models.ResNet((8, 8, 3), 4, blocks=(1, 1, 2), width=4, throttled=False)


def exits(**options):
    return tnn.add_exits(plain(), at=["stage2_block1_relu"], **options)


MAKERS = {
    "exits": exits,
    "gated": lambda: exits(gate=True),
    "dial": lambda: tnn.throttle(plain(), num_groups=2),
    "both": lambda: tnn.add_exits(tnn.throttle(plain(), num_groups=2), at=["stage2_block1_relu"]),
    "loaded": lambda: keras.saving.load_model(f"{folder}/both.keras"),
}
for name in order:
    model = MAKERS[name]()
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(x, np.zeros(2), verbose=0)
print("made", *order)
"""
ORDERS = ["exits dial both", "gated loaded dial"]


def bases_below(cls) -> list[type]:
    """Classes of this package, as often as Keras would meet them."""
    own = [base for base in cls.__bases__ if base.__module__.startswith(tnn.__name__)]
    return own + [one for base in own for one in bases_below(base)]


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_no_class_is_met_twice(cls):
    found = bases_below(cls)
    assert sorted(map(repr, found)) == sorted(map(repr, {*found}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    plain = tnn.models.ResNet((8, 8, 3), 4, blocks=(1, 1, 2), width=4, throttled=False)
    model = tnn.add_exits(tnn.throttle(plain, num_groups=2), at=["stage2_block1_relu"])
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    model.evaluate(np.ones((2, 8, 8, 3)), np.zeros(2), verbose=0)
    model.save(folder / "both.keras")
    return folder


@pytest.mark.parametrize("order", ORDERS)
def test_any_order(folder, order):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, *order.split()],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.stdout == f"made {order}\n", result.stderr
