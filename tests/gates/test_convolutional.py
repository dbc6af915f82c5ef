"""The convolutional gate against its figure, written with plain Keras layers and numpy."""

import keras
import numpy as np
import pytest
from keras import ops

from as_trained import as_trained
from keras_tnn.gates import Convolutional, record_decisions

IMAGES = np.random.default_rng(0).normal(size=(5, 7, 6, 3)).astype("float32")
U = np.ones(5, "float32")


def probabilities(gate, features):
    with record_decisions() as decisions:
        gate(U, features=features)
    return ops.convert_to_numpy(decisions[0].probabilities)


def by_the_figure(gate, features):
    """Fig. 2b and 4: convolutions, the mean over positions, a dense layer, a sigmoid."""
    *weights, kernel, bias = (w.numpy() for w in gate.weights)
    x, light = features, len(weights) == 4
    strides = (2, 1) if light else (2,)
    for (w, b), stride in zip(zip(weights[::2], weights[1::2], strict=True), strides, strict=True):
        x = ops.conv(x, w, stride, padding="same") + b
        x = np.maximum(ops.convert_to_numpy(x), 0)
    logits = x.reshape(len(x), -1, x.shape[-1]).mean(axis=1) @ kernel + bias
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("bottleneck", [None, 4])
def test_probabilities(bottleneck):
    gate = as_trained(Convolutional(6, bottleneck=bottleneck), U, IMAGES)
    p = probabilities(gate, IMAGES)
    np.testing.assert_allclose(p, by_the_figure(gate, IMAGES), rtol=1e-4)
    opened = ops.convert_to_numpy(gate(U, features=IMAGES))
    np.testing.assert_array_equal(opened, p > 0.5)
    assert 0 < opened.mean() < 1


def test_filters():
    def kernels(**arguments):
        gate = Convolutional(6, **arguments)
        gate(U, features=IMAGES)
        return [tuple(w.shape) for w in gate.weights if len(w.shape) == 4]

    assert kernels() == [(3, 3, 3, 3)]
    assert kernels(filters=5) == [(3, 3, 3, 5)]
    assert kernels(bottleneck=8) == [(1, 1, 3, 8), (3, 3, 8, 4)]
    assert kernels(bottleneck=8, filters=5) == [(1, 1, 3, 8), (3, 3, 8, 5)]


@pytest.mark.parametrize("shape", [(6, 3), (4, 4, 4, 3)])
def test_sequences_and_volumes(shape):
    gate = Convolutional(4, min_groups=2, open_probability=0.2)
    opened = ops.convert_to_numpy(gate(U, features=np.zeros((5, *shape), "float32")))
    np.testing.assert_array_equal(opened, [[1, 1, 0, 0]] * 5)


def test_soft_in_training():
    gate = as_trained(Convolutional(4, min_groups=1), U, IMAGES)
    values = ops.convert_to_numpy(gate(U, features=IMAGES, training=True))
    np.testing.assert_allclose(values, probabilities(gate, IMAGES), rtol=1e-6)
    assert (values[:, 0] == 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "Invalid value for `filters`. Expected a positive integer"),
        ({"bottleneck": 1.5}, "Invalid value for `bottleneck`. Expected a positive integer"),
        ({"min_groups": 4}, "A Convolutional gate needs a group to decide on"),
    ],
)
def test_invalid(arguments, message):
    with pytest.raises(ValueError, match=message):
        Convolutional(4, **arguments)


def test_needs_positions():
    with pytest.raises(ValueError, match="looks at positions. Expected features of shape"):
        Convolutional(4)(U, features=np.zeros((5, 3), "float32"))
    with pytest.raises(ValueError, match="Expected the call argument `features`"):
        Convolutional(4)(U)


def test_saves_and_loads(tmp_path):
    u, x = keras.Input((), name="u"), keras.Input((7, 6, 3))
    gate = as_trained(Convolutional(6, bottleneck=4), U, IMAGES)
    model = keras.Model([u, x], gate(u, features=x))
    model.save(tmp_path / "gate.keras")
    loaded = keras.saving.load_model(tmp_path / "gate.keras")
    np.testing.assert_array_equal(*(one.predict([U, IMAGES], verbose=0) for one in (model, loaded)))
