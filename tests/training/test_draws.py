import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.training import DiscreteDraw, UniformDraw


def model():
    return tnn.models.VGG((8, 8, 3), 4, num_groups=4, filters=((8,),), dense_units=None)


def test_uniform_draw_follows_the_dial():
    network = model()
    network.dial.turn([0.25, 0.75])
    u = np.array(UniformDraw().sample(network, 4000))
    assert u.min() >= 0.25 and u.max() <= 0.75
    # Standard deviation of the mean: 0.5 / sqrt(12 * 4000) = 0.0023; five of them.
    assert abs(u.mean() - 0.5) < 0.012


def test_discrete_draw_follows_its_weights():
    u = np.array(DiscreteDraw((0.25, 0.5, 1.0), (1, 0, 3)).sample(model(), 4000))
    values, counts = np.unique(u, return_counts=True)
    assert values.tolist() == [0.25, 1.0]
    # Standard deviation of the share: sqrt(0.75 * 0.25 / 4000) = 0.0068; five of them.
    assert abs(counts[1] / 4000 - 0.75) < 0.035


@pytest.mark.parametrize(
    "levels", [(), (0.5, 0.25), (0.5, 0.5), (0, 1), (0.5, 1.5), "0.5", (float("nan"),)]
)
def test_refuses_invalid_levels(levels):
    with pytest.raises(ValueError, match="Invalid value for `levels`"):
        DiscreteDraw(levels)


@pytest.mark.parametrize("weights", [(1,), (1, -1), (0, 0)])
def test_refuses_invalid_probabilities(weights):
    with pytest.raises(ValueError, match="`probabilities`. Expected 2 weights"):
        DiscreteDraw((0.5, 1.0), weights)
