"""Masks reach the same layers with the same values as in the user's model."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn
from composites import Attending, AttendingTo, Embedded
from random_weights import randomized

RNG = np.random.default_rng(0)
TOKENS = RNG.integers(1, 20, (4, 10)).astype("int32")
TOKENS[:, 6:] = 0  # padding
GIVEN = RNG.random((4, 10)) > 0.4  # another mask
GIVEN[:, 0] = True


def embedded(mask_zero=True):
    """Tokens, with or without a mask that they carry, and features that can be gated."""
    tokens = keras.Input((10,), dtype="int32", name="tokens")
    x = layers.Dense(16)(layers.Embedding(20, 16, mask_zero=mask_zero)(tokens))
    return tokens, layers.Dense(16)(layers.Dense(16, activation="relu")(x))


def inner():
    """A nested model that pools."""
    x = keras.Input((10, 16))
    return keras.Model(x, layers.GlobalAveragePooling1D()(layers.Dense(16)(x)))


def loss(model, x, like, **more):
    """The mean squared error to ones, in which outputs that a mask takes out do not count."""
    model.compile("sgd", "mse")
    made = np.ravel(model.evaluate(x, np.ones_like(like), verbose=0, **more))
    return pytest.approx(float(made[0]), rel=1e-5)  # behind it stand what gates cost and do


def check(network, x):
    """The throttled copy is the network, and its level is the copy below, losses included."""
    model = tnn.throttle(network, num_groups=4)
    expected = network.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)
    assert loss(model, x, expected) == loss(network, x, expected).expected
    check_level(model, x)


def check_level(model, x) -> keras.Model:
    level = tnn.materialize(model, 0.5)
    masked = model.predict(x, utilization=0.5, verbose=0)
    np.testing.assert_allclose(level.predict(x, verbose=0), masked, atol=1e-5)
    assert loss(level, x, masked) == loss(model, x, masked, utilization=0.5).expected
    return level


NESTED = "ignore:Layer 'functional:UserWarning"  # Keras says that a nested model ends a mask

READERS = {
    "pooling": lambda x, mask: layers.GlobalAveragePooling1D()(x, mask=mask),
    "recurrent": lambda x, mask: layers.GRU(8)(x, mask=mask),
    "normalized": lambda x, mask: layers.BatchNormalization()(x, mask=mask),
    "attention": lambda x, mask: layers.Attention()([x, x], mask=[mask, mask]),
    "heads": lambda x, mask: layers.MultiHeadAttention(2, 8)(x, x, value_mask=mask),
    "nested": lambda x, mask: inner()(x, mask=mask),
}


@pytest.mark.filterwarnings(NESTED, "ignore:No rule is known for the layers 'functional")
@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("reader", READERS)
def test_a_mask_that_is_given_is_not_the_one_that_is_carried(reader, carried):
    tokens, x = embedded(mask_zero=carried)
    mask = keras.Input((10,), dtype="bool", name="given")
    network = keras.Model([tokens, mask], layers.Dense(2)(READERS[reader](x, mask)))
    if reader == "nested" and carried:  # Keras records both in one place: an error, not a guess
        with pytest.raises(ValueError, match="is not the model at u = 1"):
            tnn.throttle(network, num_groups=4)
        return
    others = network.predict([TOKENS, ~GIVEN], verbose=0)
    assert reader == "normalized" or np.any(others != network.predict([TOKENS, GIVEN], verbose=0))
    check(network, [TOKENS, GIVEN])


def test_a_mask_that_is_computed_from_features():
    row = keras.Input((10, 16))
    mask = ops.any(ops.greater(row, 0.9), axis=-1)
    x = layers.Dense(16)(layers.Dense(16, activation="relu")(row))
    x = layers.GlobalAveragePooling1D()(x, mask=mask)
    check(keras.Model(row, layers.Dense(2)(x)), RNG.random((4, 10, 16)).astype("float32"))


@pytest.mark.filterwarnings(NESTED)
def test_a_carried_mask_is_seen_within_a_nested_model():
    tokens, x = embedded()
    check(keras.Model(tokens, layers.Dense(2)(inner()(x))), TOKENS)


COMPOSITES = {
    "carried": lambda tokens: Attending(16, name="b")(looked_up(tokens)),
    "argument": lambda tokens: AttendingTo(16, name="b")(looked_up(tokens)),
    "made": lambda tokens: AttendingTo(16, name="b")(Embedded(16, name="a")(tokens)),
}


def looked_up(tokens):
    return layers.Dense(16)(layers.Embedding(20, 16, mask_zero=True)(tokens))


@pytest.mark.parametrize("kind", COMPOSITES)
def test_a_mask_is_seen_inside_a_layer_that_is_built_from_layers(kind):
    tokens = keras.Input((10,), dtype="int32")
    x = layers.GlobalAveragePooling1D()(COMPOSITES[kind](tokens))
    network = randomized(keras.Model(tokens, layers.Dense(2)(x)))
    unmasked = TOKENS + (TOKENS == 0)
    differs = network.predict(unmasked, verbose=0) - network.predict(TOKENS, verbose=0)
    assert abs(differs).max() > 1e-3
    check(network, TOKENS)
    model = tnn.throttle(network, num_groups=4, axes=("width",), strict=True)
    assert tnn.materialize(model, 0.5).get_layer("b_dense").units == 8


HEADS = {
    "heads": lambda x: layers.MultiHeadAttention(2, 8)(x, x),
    "sequence": lambda x: x,
    "pooling": lambda x: layers.GlobalAveragePooling1D()(x),
}


@pytest.mark.parametrize("head", HEADS)
def test_a_mask_passes_channels_that_are_put_back(head):
    tokens, x = embedded()
    u = keras.Input((), name="utilization", optional=True)
    gate = tnn.layers.ChannelGate(num_groups=4, channel_groups=[3, 1, 2, 0] * 4)
    # Behind the norm closed channels are constants, which the layer normalisation must see.
    x = layers.LayerNormalization()(layers.BatchNormalization()(gate([x, u])))
    outputs = layers.Dense(2)(HEADS[head](x))
    model = randomized(tnn.ThrottledModel([tokens, u], outputs))
    level = check_level(model, TOKENS)
    assert any(isinstance(layer, tnn.layers.SelectedChannels) for layer in level.layers)


@pytest.mark.parametrize("head", HEADS)
def test_a_mask_passes_gates_that_are_not_one(head):
    tokens, x = embedded()
    u = keras.Input((), name="utilization", optional=True)
    gate = tnn.layers.ChannelGate(gate=tnn.gates.Nested(4, normalize=True))
    model = tnn.ThrottledModel([tokens, u], layers.Dense(2)(HEADS[head](gate([x, u]))))
    check_level(model, TOKENS)


def test_a_mask_passes_blocks_that_are_skipped():
    tokens, x = embedded()
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 8)(y, y)])
    network = keras.Model(tokens, layers.Dense(2)(x))
    gate = tnn.gates.DataDependent
    model = tnn.throttle(network, num_groups=4, gate=gate, axes=("depth",))
    level = tnn.surgery.conditional(model)
    with model.gating(tnn.gates.Threshold(0.5)):
        masked = model.predict(TOKENS, verbose=0)
        expected = loss(model, TOKENS, masked).expected
    np.testing.assert_allclose(level.predict(TOKENS, verbose=0), masked, atol=1e-5)
    assert loss(level, TOKENS, masked) == expected


@pytest.mark.parametrize("given", [True, False])
def test_recalibration_leaves_out_what_a_mask_takes_out(given):
    tokens = keras.Input((10,), dtype="int32")
    mask = keras.Input((10,), dtype="bool")
    norm = layers.BatchNormalization(momentum=0.0)  # one step of training sets the statistics
    x = layers.Embedding(20, 16, mask_zero=True)(tokens)
    network = keras.Model([tokens, mask], norm(x, mask=mask) if given else norm(x))
    network([TOKENS, GIVEN], training=True)
    expected = norm.get_weights()
    tnn.surgery.recalibrate(network, [TOKENS, GIVEN], batch_size=2)
    for made, wanted in zip(norm.get_weights(), expected, strict=True):
        np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-7)
