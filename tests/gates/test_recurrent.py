"""The recurrent gate against Keras' own LSTM over the blocks of a network."""

import keras
import numpy as np
import pytest
from keras import ops

from as_trained import as_trained
from keras_tnn.gates import Recurrent, Threshold, record_decisions
from keras_tnn.gates.inference import deciding

RNG = np.random.default_rng(0)
BLOCKS = [RNG.normal(size=(3, 7)).astype("float32") for _ in range(4)]  # what each block reads
U = np.ones(3, "float32")


def walk(gate, blocks, training=False):
    """What a gate decides for one block after the other."""
    state = None
    with record_decisions() as decisions:
        for features in blocks:
            _, state = gate(U, features=features, state=state, training=training)
    return decisions


def lstm_of(gate) -> keras.layers.LSTM:
    lstm = keras.layers.LSTM(gate.units, return_sequences=True)
    lstm.build((None, None, 7))
    lstm.set_weights(gate.cell.get_weights())
    return lstm


def test_one_lstm_walks_over_all_blocks():
    gate = as_trained(Recurrent(units=5, name="walker"), U, BLOCKS[0])
    gate.output_logits.bias.assign([0.0])
    gate.output_logits.kernel.assign(4 * gate.output_logits.kernel)
    decisions = walk(gate, BLOCKS)
    assert [one.key for one in decisions] == ["walker", "walker/2", "walker/3", "walker/4"]
    h = ops.convert_to_numpy(lstm_of(gate)(np.stack(BLOCKS, axis=1)))  # (samples, blocks, units)
    logits = h @ gate.output_logits.kernel.numpy() + gate.output_logits.bias.numpy()
    expected = 1 / (1 + np.exp(-logits[..., 0]))
    p = [ops.convert_to_numpy(one.probabilities)[:, 0] for one in decisions]
    np.testing.assert_allclose(np.stack(p, axis=1), expected, rtol=1e-5)
    opened = [ops.convert_to_numpy(one.values)[:, 0] for one in decisions]
    np.testing.assert_array_equal(np.stack(opened, axis=1), expected > 0.5)
    assert 0 < np.mean(opened) < 1


def test_first_step_by_hand():
    """h_0 = c_0 = 0: c = sigmoid(i) tanh(g), h = sigmoid(o) tanh(c), in Keras' order i, f, g, o."""
    gate = as_trained(Recurrent(units=2), U, BLOCKS[0])
    z = BLOCKS[0] @ gate.cell.kernel.numpy() + gate.cell.bias.numpy()
    i, _, g, o = (z[:, 2 * k : 2 * k + 2] for k in range(4))
    c = np.tanh(g) / (1 + np.exp(-i))
    _, state = gate(U, features=BLOCKS[0])
    h = np.tanh(c) / (1 + np.exp(-o))
    for one, expected in zip(state, (h, c), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(one), expected, rtol=1e-5)


def test_training_is_soft_and_inference_hard():
    gate = as_trained(Recurrent(units=5), U, BLOCKS[0])
    for one in walk(gate, BLOCKS, training=True):
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (one.values, one.probabilities)))
    with deciding([gate], Threshold(0.9)):
        for one in walk(gate, BLOCKS):
            p, values = map(ops.convert_to_numpy, (one.probabilities, one.values))
            np.testing.assert_array_equal(values, p > 0.9)


def test_front_brings_blocks_of_any_shape_to_one():
    gate = Recurrent(units=5)
    u = keras.Input((), name="u")
    shapes = [(8, 8, 3), (4, 6), (2, 4, 4, 5), (7,)]
    inputs = [keras.Input(shape) for shape in shapes]
    fronts = [gate.front(x, f"block{i}") for i, x in enumerate(inputs)]
    model = keras.Model([u, *inputs], fronts)
    images = [RNG.normal(size=(3, *shape)).astype("float32") for shape in shapes]
    for i, (image, made) in enumerate(zip(images, model([U, *images]), strict=True)):
        mean = image.reshape(3, -1, image.shape[-1]).mean(axis=1)
        dense = model.get_layer(f"block{i}_features")
        expected = mean @ dense.kernel.numpy() + dense.bias.numpy()
        np.testing.assert_allclose(ops.convert_to_numpy(made), expected, rtol=1e-4, atol=1e-5)


def test_opens_with_the_probability_it_was_given():
    gate = Recurrent(open_probability=0.7)
    (decision,) = walk(gate, BLOCKS[:1])
    p = ops.convert_to_numpy(decision.probabilities)
    # Weights of standard deviation 0.01 meet ten values in (-1, 1).
    np.testing.assert_allclose(p, 0.7, atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "Invalid value for `units`. Expected a positive integer"),
        ({"min_groups": 1}, "A Recurrent gate needs a group to decide on"),
        ({"open_probability": 1.0}, "Invalid value for `open_probability`"),
    ],
)
def test_invalid(arguments, message):
    with pytest.raises(ValueError, match=message):
        Recurrent(**arguments)


def test_needs_features():
    with pytest.raises(ValueError, match="Expected the call argument `features`"):
        Recurrent()(1.0)
