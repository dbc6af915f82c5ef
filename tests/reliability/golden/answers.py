"""Makes the golden bundle of the format as it is written today, and what each one answers.

    python tests/reliability/golden/answers.py

A bundle that is tracked is never made anew: it stands for those that are on devices. When the
format gets a new version, write one for it beside the others. That of version 1 is one of version 2
without the keys that came later.
"""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
VERSIONS = ("version_1", "version_2", "version_3")
LEVELS = (0.5, 1.0)


def sample(spec):
    """An input of numbers that differ, in the dtype of the bundle."""
    numbers = np.linspace(-1.0, 1.0, int(np.prod(spec.shape))).reshape(spec.shape)
    return (numbers if spec.dtype == "float32" else 100 * numbers).astype(spec.dtype)


def answers(dispatcher):
    """The outputs of each level, as lists."""
    (spec,) = dispatcher.bundle.inputs
    return [np.asarray(dispatcher(sample(spec), u)).tolist() for u in LEVELS]


def main():
    import keras

    from tnn_tflite import Dispatcher
    from tnn_tflite.bundle.writer import write_bundle
    from tnn_tflite.conversion.converter import level_content

    if not (FOLDER / VERSIONS[-1]).exists():
        keras.utils.set_random_seed(0)
        networks = {u: network(int(4 * u)) for u in LEVELS}
        write_bundle(
            FOLDER / VERSIONS[-1],
            [level_content(networks[u], u) for u in LEVELS],
            layout="signatures",
            labels=["cat", "dog", "emu"],
        )
    found = {name: answers(Dispatcher(FOLDER / name)) for name in VERSIONS}
    (FOLDER / "answers.json").write_text(json.dumps(found, indent=2) + "\n")


def network(width):
    import keras

    image = keras.Input((4, 4, 1), name="image")
    x = keras.layers.Conv2D(width, 3, activation="relu")(image)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(3, name="scores")(x))


if __name__ == "__main__":
    main()
