"""Makes the golden bundles of the format as it is written today, and what each one answers.

    python tests/reliability/golden/answers.py

A bundle that is tracked is never made anew: it stands for those that are on devices. When the
format gets a new version, write one for it beside the others. That of version 1 is one of version 2
without the keys that came later.
"""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
VERSIONS = ("version_1", "version_2", "version_3", "version_3_controller")
SEGMENTS = "version_3_segments"
LEVEL_SEGMENTS = "version_3_level_segments"
LEVELS = (0.5, 1.0)


def sample(spec):
    """An input of numbers that differ, in the dtype of the bundle."""
    numbers = np.linspace(-1.0, 1.0, int(np.prod(spec.shape))).reshape(spec.shape)
    return (numbers if spec.dtype == "float32" else 100 * numbers).astype(spec.dtype)


def answers(dispatcher):
    """The outputs of each level, as lists."""
    (spec,) = dispatcher.bundle.inputs
    return [np.asarray(dispatcher(sample(spec), u)).tolist() for u in LEVELS]


def choices(dispatcher):
    """For a dark and a bright sample the level that the controller chooses, and the output."""
    (spec,) = dispatcher.bundle.inputs
    results = [dispatcher.run(sample(spec) + shift) for shift in (-1, 1)]
    return [[result.utilization, result.outputs.tolist()] for result in results]


def exit_answers(dispatcher):
    """The answer of each exit, by its name."""
    (spec,) = dispatcher.bundle.inputs
    results = dispatcher.anytime(sample(spec))
    return {result.exit: result.outputs.tolist() for result in results}


def point_answers(dispatcher):
    """The answer of each exit of each level, by its title."""
    (spec,) = dispatcher.bundle.inputs
    points = dispatcher.levels
    return {one.title: dispatcher(sample(spec), **one.arguments).tolist() for one in points}


def main():
    import keras

    from tnn_tflite import Dispatcher, convert

    keras.utils.set_random_seed(0)
    networks = {u: network(int(4 * u)) for u in LEVELS}
    controller = answering_controller(networks[LEVELS[0]])
    for name, options in (
        ("version_3", {"layout": "signatures", "labels": ["cat", "dog", "emu"]}),
        ("version_3_controller", {"layout": "single", "controller": controller}),
    ):
        if not (FOLDER / name).exists():
            convert(networks, FOLDER / name, **options)
    if not (FOLDER / SEGMENTS).exists():
        model = network_with_exits()
        convert(model, FOLDER / SEGMENTS, exits=True, labels=["cat", "dog", "emu"])
    if not (FOLDER / LEVEL_SEGMENTS).exists():
        convert(dialled_network_with_exits(), FOLDER / LEVEL_SEGMENTS, LEVELS, exits=True)
    found = {name: answers(Dispatcher(FOLDER / name)) for name in VERSIONS}
    found["choices"] = choices(Dispatcher(FOLDER / "version_3_controller"))
    found["exits"] = exit_answers(Dispatcher(FOLDER / SEGMENTS))
    found["points"] = point_answers(Dispatcher(FOLDER / LEVEL_SEGMENTS))
    (FOLDER / "answers.json").write_text(json.dumps(found, indent=2) + "\n")


def network(width):
    import keras

    image = keras.Input((4, 4, 1), name="image")
    x = keras.layers.Conv2D(width, 3, activation="relu")(image)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(3, name="scores")(x))


def network_with_exits():
    """A skip goes around the first of three exits, and the last segment reads the image again."""
    import keras

    image = keras.Input((4, 4, 1), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    inside = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    after = keras.layers.Add()([x, inside])
    last = keras.layers.Conv2D(4, 3)(keras.layers.Concatenate()([after, image]))
    heads = zip((inside, after, last), ("early", "middle", "scores"), strict=True)
    return keras.Model(
        image, [keras.layers.Dense(3, name=name)(keras.layers.Flatten()(x)) for x, name in heads]
    )


def dialled_network_with_exits():
    """Two exits, each with a width that u chooses."""
    import keras

    from keras_tnn.gates import Nested
    from keras_tnn.layers import ThrottleableConv2D

    image, u = keras.Input((4, 4, 1), name="image"), keras.Input((1,), name="utilization")
    gates = Nested(4)(u)
    x = ThrottleableConv2D(4, 3, num_groups=4, activation="relu")([image, gates])
    y = ThrottleableConv2D(4, 2, num_groups=4, activation="relu")([x, gates])
    heads = zip((x, y), ("early", "scores"), strict=True)
    pooled = keras.layers.GlobalAveragePooling2D
    return keras.Model(
        [image, u], [keras.layers.Dense(3, name=name)(pooled()(x)) for x, name in heads]
    )


def answering_controller(low):
    """Holds the lowest level, and chooses it for samples whose mean is below 0."""
    import keras

    mean = keras.layers.GlobalAveragePooling2D()(low.input)
    choose = keras.layers.Dense(2, use_bias=False)
    controller = keras.Model(low.input, {"choice": choose(mean), "answer": low.output})
    choose.set_weights([np.array([[-1.0, 1.0]], "float32")])
    return controller


if __name__ == "__main__":
    main()
