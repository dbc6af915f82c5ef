"""A model with inputs of other sizes, for costs that depend on sizes its graph leaves open."""

from collections.abc import Mapping, Sequence

import keras

from keras_tnn.surgery.graph import read_graph

Shape = Sequence[int]


def at_shape(model: keras.Model, input_shape: Shape | Sequence[Shape] | Mapping[str, Shape]):
    """The same layers called on inputs of the given shapes.

    Args:
        model: functional or sequential Keras model.
        input_shape: shape of a sample, such as `(224, 224, 3)`; for several inputs a list of
            shapes in the order of `model.inputs`, or a dict of them by name.

    Returns:
        `keras.Model` that shares the layers.

    Raises:
        ValueError: if there is not one shape for each input, or one does not fit its input.
    """
    graph = read_graph(model)
    inputs = [
        keras.Input(shape, dtype=x.dtype, name=x.name)
        for x, shape in zip(graph.inputs, shapes_of(model, input_shape), strict=True)
    ]
    structure = keras.tree.pack_sequence_as(graph.input_structure, inputs)
    return keras.Model(structure, model(structure), name=model.name)


def shapes_of(model: keras.Model, input_shape) -> list[tuple]:
    """One shape for each input of a model, checked."""
    expected = [tuple(x.shape[1:]) for x in model.inputs]
    if isinstance(input_shape, Mapping):
        given = [input_shape.get(x.name) for x in model.inputs]
    elif not isinstance(input_shape, Sequence):
        given = []
    elif len(expected) == 1 and all(isinstance(size, int) for size in input_shape):
        given = [input_shape]
    else:
        given = list(input_shape)
    fits = len(given) == len(expected) and all(map(fits_shape, given, expected))
    if not fits:
        raise ValueError(
            f"Invalid value for `input_shape`. Expected sizes of a sample of '{model.name}', "
            f"{expected[0] if len(expected) == 1 else expected} with a number for each None. "
            f"Received: input_shape={input_shape!r}"
        )
    return [tuple(shape) for shape in given]


def fits_shape(given, expected: tuple) -> bool:
    """Whether sizes are known, and those that the model knows."""
    if not isinstance(given, Sequence) or len(given) != len(expected):
        return False
    pairs = zip(given, expected, strict=True)
    return all(isinstance(a, int) and a > 0 and b in (None, a) for a, b in pairs)
