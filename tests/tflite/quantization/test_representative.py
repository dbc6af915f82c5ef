"""Representative samples of every kind of data, and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_tnn
from tnn_tflite.quantization.representative import SAMPLES, read_samples


@pytest.fixture(scope="module")
def model():
    """Two inputs in an order that is not the alphabet's, and the dial."""
    left, right = keras.Input((2,), name="right"), keras.Input((), name="left", dtype="int32")
    u = keras.Input((), name="utilization", optional=True)
    x = keras_tnn.layers.ChannelGate(num_groups=2)([left, u])
    years = keras.ops.expand_dims(keras.ops.cast(right, "float32"), -1)
    return keras_tnn.ThrottledModel([left, right, u], keras.layers.Concatenate()([x, years]))


@pytest.fixture(scope="module")
def one_input():
    x = keras.Input((2,), name="x")
    return keras.Model(x, keras.layers.Dense(1)(x))


def arrays(count):
    numbers = np.arange(count)
    return np.stack([numbers, -numbers], -1).astype("float32"), numbers.astype("int32")


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        right, left = arrays(50)
        return [right[10 * i : 10 * i + 10], left[10 * i : 10 * i + 10]], np.zeros(10)


def as_dictionary(count=50):
    return dict(zip(("right", "left"), arrays(count), strict=True))


KINDS = {
    "list": lambda: list(arrays(50)),
    "dictionary": as_dictionary,
    "dictionary with more": lambda: {**as_dictionary(), "utilization": np.ones(50, "float32")},
    "dataset": lambda: tf.data.Dataset.from_tensor_slices(as_dictionary()).batch(10),
    "dataset with labels": lambda: tf.data.Dataset.from_tensor_slices(
        (as_dictionary(), np.zeros(50))
    ).batch(7),
    "PyDataset": lambda: Batches(),
    "generator": lambda: (list(x[i : i + 1] for x in arrays(50)) for i in range(50)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_samples(model, kind):
    right, left = read_samples(KINDS[kind](), model, count=8)
    # Evenly over 0 to 49, of which a stream keeps every second one after 16, every fourth after 32.
    np.testing.assert_array_equal(left, [0, 8, 12, 20, 28, 36, 40, 48])
    np.testing.assert_array_equal(right, np.stack([left, -left], -1))
    assert (right.dtype, left.dtype) == ("float32", "int32")


@pytest.mark.parametrize(("count", "taken"), [(1, 1), (255, 255), (256, 256), (5000, SAMPLES)])
def test_how_many_are_taken(one_input, count, taken):
    (x,) = read_samples(arrays(count)[0], one_input)
    assert x.shape == (taken, 2)
    assert x[0, 0] == 0 and x[-1, 0] >= 0.99 * (count - 1)
    steps = np.diff(x[:, 0])
    assert len(steps) == 0 or steps.max() <= 2 * steps.min()


def test_other_float_types_are_cast(one_input):
    (x,) = read_samples(np.ones((3, 2)), one_input)
    assert x.dtype == np.float32


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((0, 2), "float32"), "at least one sample.*Received none"),
        ([], "Received none"),
        (np.zeros((4, 3), "float32"), r"shape \(samples, 2\) for 'x'. Received: shape=\(4, 3\)"),
        (np.zeros(2, "float32"), r"shape \(samples, 2\) for 'x'. Received: shape=\(2,\)"),
        (
            np.zeros((4, 2), "uint8"),
            "float32 for 'x', scaled as in training. Received: dtype=uint8",
        ),
        (np.full((4, 2), np.nan, "float32"), "finite numbers for 'x'"),
        ({"y": np.zeros((4, 2), "float32")}, r"inputs \['x'\]. Received: none for \['x'\]"),
        ([np.zeros((4, 2), "float32")] * 2, "Received: 2 arrays"),
    ],
)
def test_what_does_not_fit(one_input, data, message):
    with pytest.raises(ValueError, match=f"Invalid value for `representative_data`.*{message}"):
        read_samples(data, one_input)


def test_inputs_of_different_length(model):
    right, left = arrays(4)
    with pytest.raises(ValueError, match=r"as many samples of each input. Received: \[4, 3\]"):
        read_samples(iter([[right, left[:3]]]), model)
