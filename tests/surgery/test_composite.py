"""Layers that are built from layers are followed inside, or kept whole and named."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn
from composites import (
    CLOSED,
    OPEN,
    Affine,
    Attends,
    Block,
    Branches,
    Frames,
    HoldsCounts,
    Residual,
    Scaled,
    Tokens,
    Ways,
    Windows,
    network,
)
from keras_tnn.layers import Parameter
from keras_tnn.surgery.graph import read_graph
from random_weights import randomized

X = np.random.default_rng(0).random((2, 8, 8, 3), "float32")


def dial(u: float) -> np.ndarray:
    return np.full(2, u, "float32")


def outputs(model, *inputs) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(*inputs, training=False))


def check_cut(plain, model, least: float):
    """u = 1 is the model, the cut is the masked model, and it costs at most a share `least`."""
    np.testing.assert_allclose(outputs(model, [X, dial(1)]), outputs(plain, X), atol=1e-6)
    small = tnn.materialize(model, 0.5)
    masked = outputs(model, [X, dial(0.5)])
    np.testing.assert_allclose(outputs(small, X), masked, atol=1e-4 * abs(masked).max())
    assert tnn.count_macs(small) < least * tnn.count_macs(plain)
    return small


@pytest.mark.parametrize("kind", OPEN)
def test_width_is_followed_inside(kind, tmp_path):
    plain = randomized(network(OPEN[kind](8, name="a"), OPEN[kind](8, name="b")))
    model = tnn.throttle(plain, num_groups=4, axes=("width",), strict=True)
    small = check_cut(plain, model, least=0.4)
    for one in (model, small):
        one.save(tmp_path / "net.keras")
        loaded = keras.saving.load_model(tmp_path / "net.keras")
        inputs = [X, dial(0.5)] if one is model else X
        np.testing.assert_array_equal(outputs(loaded, inputs), outputs(one, inputs))


def test_calls_say_where_they_stand():
    graph = read_graph(network(Residual(8, name="stage"), Residual(8, name="stage_2")))
    names = [call.name for call in graph.calls if isinstance(call.operation, layers.Layer)]
    inside = ["block_conv", "block_norm", "block_relu", "block_gamma", "drop"]
    expected = [f"{stage}_{name}" for stage in ("stage", "stage_2") for name in inside]
    assert names[:-2] == ["stem", *expected]
    gamma = next(call for call in graph.calls if isinstance(call.operation, Parameter))
    assert gamma.within == ("stage", "stage_block")


@pytest.mark.parametrize("name", ["b", "b_conv"])
def test_skip_takes_the_name_of_a_layer_or_of_one_inside(name):
    plain = network(Block(8, name="a"), Block(8, name="b"), Block(8, name="c"))
    small = tnn.materialize(tnn.throttle(plain, num_groups=4, axes=("width",), skip=[name]), 0.5)
    widths = [small.get_layer(f"{one}_conv").filters for one in "abc"]
    assert widths == [4, 8, 4]


def test_depth_is_followed_inside():
    plain = randomized(network(Residual(8, name="a"), Residual(8, name="b")))
    model = tnn.throttle(plain, axes=("depth",))
    np.testing.assert_allclose(outputs(model, [X, dial(1)]), outputs(plain, X), atol=1e-6)
    assert [tnn.count_macs(model, u) for u in (0.5, 1)] == [
        tnn.count_macs(network(Residual(8))),
        tnn.count_macs(plain),
    ]


def test_a_layer_that_is_called_twice_keeps_one_copy_of_its_weights():
    shared = Scaled(8, name="shared")
    plain = randomized(network(shared, shared))
    model = tnn.throttle(plain, num_groups=4, axes=("width",))
    check_cut(plain, model, least=0.5)
    assert [one.name for one in model.layers if isinstance(one, Parameter)] == ["shared_gamma"]


def test_several_outputs_and_a_layer_inside_a_nested_model():
    image = keras.Input((8, 8, 3))
    left, right = Ways(8, name="ways")(image)
    inner = keras.Model(image, layers.Add()([left, right]))
    outer = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(Block(8, name="last")(inner(outer)))
    plain = randomized(keras.Model(outer, layers.Dense(3)(x)))
    check_cut(plain, tnn.throttle(plain, num_groups=4, axes=("width",), strict=True), least=0.4)


def test_what_layers_return_beside_tensors_is_handed_on():
    image = keras.Input((8, 8, 3))
    x, one = Attends(8, name="attends")(image)
    x = layers.GlobalAveragePooling2D()(Block(8, name="last")(x * one))
    plain = randomized(keras.Model(image, layers.Dense(3)(x)))
    check_cut(plain, tnn.throttle(plain, num_groups=4, axes=("width",), strict=True), least=0.4)


def test_a_constant_for_each_sample_is_not_a_constant():
    said = r"'odd_block' \(CountsSamples\), which returns a constant of the size of the batch"
    with pytest.warns(UserWarning, match=said):
        tnn.throttle(network(Block(8), HoldsCounts(8, name="odd"), Block(8)), num_groups=4)


def test_a_layer_of_operations_is_opened_if_all_of_them_are_followed():
    plain = randomized(network(Affine(name="affine"), Block(8, name="block")))
    check_cut(plain, tnn.throttle(plain, num_groups=4, axes=("width",), strict=True), least=0.4)


def test_a_layer_may_ask_for_the_size_of_the_batch():
    image = keras.Input((8, 8, 3))
    x = layers.LayerNormalization()(Tokens(16, name="tokens")(image))
    x = layers.GlobalAveragePooling1D()(layers.Dense(16, "relu")(x))
    plain = randomized(keras.Model(image, layers.Dense(3)(x)))
    model = tnn.throttle(plain, num_groups=4, axes=("width",))
    check_cut(plain, model, least=0.75)
    several = np.concatenate([X, X, X])
    inputs = [several, np.ones(6, "float32")]
    np.testing.assert_allclose(outputs(model, inputs), outputs(plain, several), atol=1e-6)


@pytest.mark.filterwarnings("ignore:No rule is known for the layers 'frames_:UserWarning")
def test_frames_that_are_rows_of_a_sample():
    image = keras.Input((8, 8, 3))
    x = ops.reshape(image, (-1, 4, 8, 3))  # two halves of an image
    x = Frames(8, name="frames")(Block(8, name="first")(x))
    x = ops.reshape(Block(8, name="last")(x), (-1, 8, 8, 8))
    plain = randomized(keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))))
    model = tnn.throttle(plain, num_groups=4, axes=("width",))
    small = check_cut(plain, model, least=0.7)
    assert small.get_layer("last_conv").filters == 4


@pytest.mark.filterwarnings("ignore:No rule is known for the layers 'windows_:UserWarning")
def test_windows_that_are_padded_inside():
    plain = randomized(network(Windows(8, name="windows"), Block(8, name="last")))
    assert {call.within for call in read_graph(plain).calls} >= {("windows", "windows_near")}
    model = tnn.throttle(plain, num_groups=4, axes=("width",))
    small = check_cut(plain, model, least=0.5)
    assert small.get_layer("windows_out").units == small.get_layer("last_conv").filters == 4


def test_a_weight_is_trained_as_the_weight_of_the_layer_is():
    plain = randomized(network(Scaled(8, name="a")))
    model = tnn.throttle(plain, num_groups=4, axes=("width",))
    whole = [tnn.callbacks.FixedUtilization(1.0)]
    for one in (plain, model):
        one.compile(keras.optimizers.SGD(0.1), "mse")
        one.fit(X, np.ones((2, 3)), verbose=0, callbacks=whole if one is model else None)
    plain_gamma = plain.get_layer("a").gamma
    gamma = model.get_layer("a_gamma").parameter
    np.testing.assert_allclose(gamma, plain_gamma, atol=1e-6)
    assert float(abs(keras.ops.convert_to_numpy(gamma) - 1).max()) > 0


def test_in_mixed_precision_the_numbers_are_those_of_the_layer():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        plain = network(Scaled(8, name="a"))
    finally:
        keras.config.set_dtype_policy(policy)
    graph = read_graph(plain)
    *inside, last = [call.output.dtype for call in graph.calls if "a" in call.within]
    assert inside[:3] == ["float16"] * 3  # convolution, normalisation and activation
    assert last == plain.get_layer("a").output.dtype  # torch multiplies by a float32 scale
    model = tnn.throttle(plain, num_groups=4, axes=("width",))
    np.testing.assert_allclose(outputs(model, [X, dial(1)]), outputs(plain, X), atol=2e-3)


@pytest.mark.parametrize("kind", CLOSED, ids=lambda kind: kind.__name__)
def test_what_cannot_be_opened_is_kept_whole_and_named(kind):
    plain = randomized(network(Block(8, name="a"), kind(8, name="odd"), Block(8, name="b")))
    state = [keras.ops.convert_to_numpy(one) for one in plain.get_layer("odd").variables]
    read_graph(plain)
    for one, before in zip(plain.get_layer("odd").variables, state, strict=True):
        np.testing.assert_array_equal(one, before)
    with pytest.warns(UserWarning, match=rf"'odd' \({kind.__name__}\).*{CLOSED[kind]}"):
        model = tnn.throttle(plain, num_groups=4, axes=("width",))
    masked = outputs(model, [X, dial(0.5)])
    np.testing.assert_allclose(
        outputs(tnn.materialize(model, 0.5), X), masked, atol=1e-4 * abs(masked).max()
    )


def test_what_differs_in_training_is_counted_as_it_is_at_inference():
    expected = tnn.count_macs(network(Block(8)))
    assert tnn.count_macs(network(Branches(8))) == expected
