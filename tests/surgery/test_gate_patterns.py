"""`materialize` with patterns given by hand in place of utilization."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn


@pytest.fixture
def model():
    image, u = keras.Input((6,)), keras.Input((), name="utilization", optional=True)
    shared = tnn.gates.Nested(4, name="shared")(u)
    x = tnn.layers.ThrottleableDense(8, num_groups=4, name="first")([image, u])
    x = tnn.layers.ThrottleableDense(8, num_groups=4, name="second")([x, shared])
    return tnn.ThrottledModel([image, u], keras.layers.Dense(2, name="last")(x))


def test_a_layers_own_pattern_and_a_shared_gates(model):
    small = tnn.materialize(model, gates={"first": [0, 1, 0, 1], "shared": [0, 0, 1, 0]})
    kernels = [model.get_layer(name).kernel for name in ("first", "second", "last")]
    first, second, last = (np.asarray(kernel) for kernel in kernels)
    np.testing.assert_array_equal(small.get_layer("first").kernel, first[:, [2, 3, 6, 7]])
    np.testing.assert_array_equal(small.get_layer("second").kernel, second[[2, 3, 6, 7]][:, 4:6])
    np.testing.assert_array_equal(small.get_layer("last").kernel, last[4:6])


def test_utilization_decides_for_the_others(model):
    small = tnn.materialize(model, 0.5, gates={"first": [True, False, False, False]})
    assert small.get_layer("first").units == 2 and small.get_layer("second").units == 4


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ({"first": [1, 1, 1]}, r"Expected 4 zeros and ones for 'first'. Received: \[1, 1, 1\]"),
        ({"first": [1, 0.5, 1, 1]}, "Expected 4 zeros and ones"),
        ({"first": "1111"}, "Expected 4 zeros and ones"),
        (
            {"image": [1]},
            r"Expected names among \['first', 'second', 'shared'\]. Received: 'image'",
        ),
        ({"first": [0, 0, 0, 0]}, "Nothing is left of the network before 'output'"),
        ({"shared": [0, 0, 0, 0]}, "Nothing is left of the network before 'output'"),
    ],
)
def test_bad_patterns(model, gates, message):
    with pytest.raises(ValueError, match=message):
        tnn.materialize(model, gates=gates)
