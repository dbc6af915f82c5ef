"""Segments run in turn are the network, and each call of it stands in one of them."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.surgery import Origin, run_segments, segments

SHAPE = (8, 8, 3)
layers = keras.layers
numpy_of = keras.ops.convert_to_numpy


def head(x, name):
    return layers.Dense(4, name=name)(layers.GlobalAveragePooling2D()(x))


def residual():
    """An exit inside the first residual block: the skip goes around it."""
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="stem")(image)
    inside = layers.Conv2D(6, 3, padding="same", activation="relu", name="inside")(x)
    after = layers.Add()([x, layers.Conv2D(6, 3, padding="same", name="after")(inside)])
    last = layers.Conv2D(8, 3, strides=2, name="last")(layers.ReLU()(after))
    outputs = [head(inside, "first"), head(after, "second"), head(last, "scores")]
    return keras.Model(image, outputs)


def dense_block():
    """Every layer reads all before it; an exit reads some of them."""
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, padding="same")(image)
    y = layers.Conv2D(4, 3, padding="same")(x)
    joined = layers.Concatenate()([x, y])
    z = layers.Conv2D(4, 3, padding="same")(joined)
    return keras.Model(image, [head(y, "first"), head(layers.Concatenate()([x, y, z]), "scores")])


def reading_inputs_late():
    """Two inputs; the second is first read by the last segment, the first by both."""
    image, extra = keras.Input(SHAPE, name="image"), keras.Input((5,), name="extra")
    x = layers.Conv2D(4, 3, name="conv")(image)
    joined = layers.Concatenate()([layers.Flatten()(x), layers.Flatten()(image), extra])
    return keras.Model([image, extra], [head(x, "first"), layers.Dense(4, name="scores")(joined)])


def nested():
    """The calls inside a nested model are those of the network; a shared layer is called twice."""
    image = keras.Input(SHAPE, name="image")
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    inner_in = keras.Input((8, 8, 4))
    inner = keras.Model(inner_in, layers.ReLU()(layers.BatchNormalization()(shared(inner_in))))
    x = layers.Conv2D(4, 3, padding="same")(image)
    y = inner(shared(x))
    return keras.Model(image, [head(y, "first"), head(inner(y), "scores")])


def chained():
    """An exit whose answer the next one reads."""
    x = keras.Input((6,), name="features")
    first = layers.Dense(4, name="first")(x)
    return keras.Model(x, [first, layers.Dense(4, name="scores")(layers.Concatenate()([x, first]))])


NETWORKS = [residual, dense_block, reading_inputs_late, nested, chained]


@pytest.mark.parametrize("make", NETWORKS)
def test_segments_in_turn_are_the_network(make):
    model = make()
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(3, *one.shape[1:])).astype("float32") for one in model.inputs]
    expected = model(x if len(x) > 1 else x[0], training=False)
    parts = segments(model)
    found = list(run_segments(parts, x))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):  # the same operations on the same numbers
        np.testing.assert_array_equal(numpy_of(one), numpy_of(other))


@pytest.mark.parametrize("make", NETWORKS)
def test_costs_add_up(make):
    model = make()
    parts = segments(model)
    assert sum(tnn.count_macs(part.model) for part in parts) == tnn.count_macs(model)
    ours = {id(weight) for part in parts for weight in part.model.weights}
    assert ours == {id(weight) for weight in model.weights}


def origins(make):
    return [set(part.origins) for part in segments(make())]


def test_what_is_handed_on():
    """What a later segment reads, once; a tensor that skips an exit goes around its segment."""
    image, extra = Origin(None, 0), Origin(None, 1)
    assert origins(dense_block) == [{image}, {Origin(0, 1), Origin(0, 2)}]
    assert origins(residual) == [{image}, {Origin(0, 1), Origin(0, 2)}, {Origin(1, 1)}]
    assert origins(reading_inputs_late) == [{image}, {Origin(0, 1), image, extra}]
    assert origins(chained) == [{image}, {image, Origin(0, 0)}]


def test_a_head_stands_in_the_segment_of_its_exit():
    first, second, third = segments(residual())
    named = [
        {layer.name for layer in part.model.layers if layer.weights}
        for part in (first, second, third)
    ]
    assert named == [{"stem", "inside", "first"}, {"after", "second"}, {"last", "scores"}]


def test_names_of_exits():
    model = residual()
    assert [part.exit for part in segments(model)] == ["first", "second", "scores"]
    model.exit_names = ("a", "b", "c")
    assert [part.exit for part in segments(model)] == ["a", "b", "c"]
    assert [part.exit for part in segments(model, ("x", "y", "z"))] == ["x", "y", "z"]


def test_a_level_of_a_throttled_network_with_exits():
    image, u = keras.Input(SHAPE, name="image"), keras.Input((1,), name="utilization")
    gates = tnn.gates.Nested(4)(u)
    x = layers.ReLU()(tnn.layers.ThrottleableConv2D(8, 3, num_groups=4)([image, gates]))
    y = layers.ReLU()(tnn.layers.ThrottleableConv2D(8, 3, num_groups=4)([x, gates]))
    model = keras.Model([image, u], [head(x, "first"), head(y, "scores")])
    small = tnn.materialize(model, 0.5)
    images = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype("float32")
    expected = model([images, np.full((3, 1), 0.5, "float32")], training=False)
    for one, other in zip(run_segments(segments(small), images), expected, strict=True):
        np.testing.assert_allclose(numpy_of(one), numpy_of(other), rtol=1e-4, atol=1e-5)


def test_masks_cross_the_cut():
    """Keras' implicit mask is a tensor like others, and handed on where a later layer reads it."""
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    x = layers.Embedding(5, 4, mask_zero=True)(tokens)
    y = layers.LSTM(4, return_sequences=True)(x)
    first = layers.Dense(2, name="first")(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(tokens, [first, layers.Dense(2, name="scores")(layers.LSTM(3)(y))])
    x = np.array([[1, 2, 3, 0, 0, 0], [4, 1, 0, 0, 0, 0]], "int32")
    for one, other in zip(run_segments(segments(model), x), model(x), strict=True):
        np.testing.assert_array_equal(numpy_of(one), numpy_of(other))


def test_no_exits():
    x = keras.Input((3,))
    with pytest.raises(ValueError, match="at least two outputs. Received: 'plain' with 1"):
        segments(keras.Model(x, layers.Dense(2)(x), name="plain"))
    y = layers.Dense(2, name="y")(x)
    model = keras.Model(x, [layers.Dense(2, name="end")(y), y], name="turned")
    with pytest.raises(ValueError, match="exits in order of depth.* Received: 'y' of 'turned'"):
        segments(model)
    for names in (("a",), ("a", "a")):
        with pytest.raises(ValueError, match="`exit_names`. Expected 2 different names"):
            segments(model, names)
