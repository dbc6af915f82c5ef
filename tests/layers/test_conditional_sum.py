"""Conditional sums and gates that are decided: the same at every batch size."""

import keras
import numpy as np
import pytest

from keras_tnn import gates, layers


def scaled(factor):
    """The function x -> factor x."""
    x = keras.Input((3,))
    return keras.Model(x, x * factor)


def raising():
    """A term that fails when it is computed."""

    class Raises(keras.layers.Layer):
        def call(self, x):
            if hasattr(x, "numpy"):  # eager: computed, not traced
                raise RuntimeError("computed")
            return x

    x = keras.Input((3,))
    return keras.Model(x, Raises()(x))


X = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], "float32")
GATES = np.array([[0, 1], [1, 1], [0, 0]], "float32")


def test_numbers_by_hand():
    layer = layers.ConditionalSum([scaled(10.0), scaled(100.0)], groups=[0, 1])
    expected = X + X * np.array([[100], [110], [0]])
    np.testing.assert_array_equal(layer(X, gates=GATES, base=X), expected)
    one = [layer(X[i : i + 1], gates=GATES[i : i + 1], base=X[i : i + 1]) for i in range(3)]
    np.testing.assert_array_equal(np.concatenate(one), expected)


def test_all_open_is_the_plain_sum():
    layer = layers.ConditionalSum([scaled(10.0), scaled(100.0)], groups=[0, 1])
    np.testing.assert_array_equal(layer(X, gates=np.ones((3, 2)), base=X), 111 * X)


def test_groups_name_the_columns():
    layer = layers.ConditionalSum([scaled(10.0)], groups=[1])
    np.testing.assert_array_equal(layer(X, gates=GATES, base=0 * X), 10 * X * GATES[:, 1:])


@pytest.mark.parametrize("gate", [0.0, 1.0])
def test_bias_in_place_of_a_base(gate):
    layer = layers.ConditionalSum([scaled(10.0)], groups=[0], use_bias=True)
    layer.build((None, 3), (None, 1))
    layer.bias.assign([1, 2, 3])
    expected = 10 * gate * X + np.array([1, 2, 3], "float32")
    control = np.full((3, 1), gate, "float32")
    np.testing.assert_array_equal(layer(X, gates=control), expected)
    np.testing.assert_array_equal(layer(X[:1], gates=control[:1]), expected[:1])


def test_bias_and_base_are_added():
    layer = layers.ConditionalSum([scaled(10.0)], groups=[0], use_bias=True)
    layer.build((None, 3), (None, 1), (None, 3))
    layer.bias.assign([1, 2, 3])
    expected = X + 10 * X * GATES[:, 1:] + np.array([1, 2, 3], "float32")
    np.testing.assert_array_equal(layer(X, gates=GATES[:, 1:], base=X), expected)


def test_a_closed_term_is_not_computed():
    layer = layers.ConditionalSum([raising()], groups=[0])
    sample = X[:1]
    np.testing.assert_array_equal(layer(sample, gates=np.zeros((1, 1)), base=sample), sample)
    with pytest.raises(RuntimeError, match="computed"):
        layer(sample, gates=np.ones((1, 1)), base=sample)


def test_saves_in_a_model(tmp_path):
    x, control = keras.Input((3,)), keras.Input((1,))
    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    term = keras.Model(dense.inputs, dense.outputs)
    outputs = layers.ConditionalSum([term], [0], use_bias=True)(x, gates=control)
    model = keras.Model([x, control], outputs)
    model.layers[-1].bias.assign([1, 2, 3])
    model.save(tmp_path / "sum.keras")
    loaded = keras.saving.load_model(tmp_path / "sum.keras")
    np.testing.assert_array_equal(loaded([X, GATES[:, :1]]), model([X, GATES[:, :1]]))


@pytest.mark.parametrize("groups", [[], [0, 1]])
def test_groups_that_do_not_fit(groups):
    with pytest.raises(ValueError, match="one column of the gates for each term.*1 terms and gro"):
        layers.ConditionalSum([scaled(1.0)], groups)


def test_nothing_to_start_from():
    layer = layers.ConditionalSum([scaled(1.0)], [0], name="sum")
    with pytest.raises(ValueError, match="Layer 'sum' has nothing to start its sum from"):
        layer(X, gates=GATES)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_a_hard_gate_decides_as_its_gate(threshold):
    gate = gates.DataDependent(4, min_groups=1, open_probability=0.5)
    gate(1.0, features=X)
    gate.pairs.kernel.assign(np.random.default_rng(0).normal(size=gate.pairs.kernel.shape))
    gate.inference.turn(gates.Threshold(threshold).dial)
    hard = layers.HardGate(gate, threshold)
    np.testing.assert_array_equal(hard(np.ones(1), features=X), gate(1.0, features=X))


def test_a_hard_gate_of_a_gate_that_is_not_learned():
    hard = layers.HardGate(gates.Nested(4))
    np.testing.assert_array_equal(hard(np.array([0.5])), [[1, 1, 0, 0]])


def test_a_hard_gate_leaves_a_reading():
    gate = gates.DataIndependent(2, open_probability=0.7)
    with gates.record_decisions() as decisions:
        layers.HardGate(gate)(np.ones(1))
    (decision,) = decisions
    assert decision.gate is gate
    np.testing.assert_allclose(decision.probabilities, [[0.7, 0.7]], rtol=1e-6)  # float32


def test_a_hard_gate_needs_a_gate():
    with pytest.raises(ValueError, match="Expected a keras_tnn.gates.Gate. Received: gate='x'"):
        layers.HardGate("x")
