import numpy as np
import pytest

from keras_tnn.gates import Independent


def test_training_draws_without_replacement_for_each_sample():
    u = np.full(2000, 0.5, "float32")
    gates = np.array(Independent(8)(u, training=True))
    assert np.all(gates.sum(axis=1) == 4)  # floor(0.5 * 9)
    # Each group opens in half of the samples; 5 standard deviations are 0.056.
    np.testing.assert_allclose(gates.mean(axis=0), 0.5, atol=0.056)
    assert len({tuple(row) for row in gates.tolist()}) > 50  # of the 70 ways


def test_inference_order_is_fixed_by_the_seed():
    one, same, other = Independent(32, seed=1), Independent(32, seed=1), Independent(32, seed=2)
    assert one.pattern(0.5).tolist() == same.pattern(0.5).tolist()
    assert one.pattern(0.5).tolist() != other.pattern(0.5).tolist()
    assert np.all(one.pattern(0.25) <= one.pattern(0.75))


@pytest.mark.parametrize("training", [True, False])
def test_counts_follow_each_sample(training):
    u = np.array([0.01, 0.25, 1.0], "float32")
    gates = np.array(Independent(4, min_groups=1)(u, training=training))
    assert gates.sum(axis=1).tolist() == [1, 1, 4]
