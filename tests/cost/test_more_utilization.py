"""A law of every cost: more utilization never costs less."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_tnn.cost import cost_table
from keras_tnn.models import VGG, DenseNet, ResNet

NETWORKS = {
    "vgg": VGG((8, 8, 3), 3, num_groups=4, filters=((8,), (16,)), dense_units=16),
    "width": ResNet((8, 8, 3), 3, depth=8, num_groups=4, width=4),
    "dense": DenseNet((8, 8, 3), 3, num_groups=2, growth=4, layers_per_block=(2, 2)),
    "depth": ResNet((8, 8, 3), 3, depth=8, axis="depth", width=4),
}
COUNTS = ("macs", "flops_with_pooling", "parameters", "weight_bytes", "activation_bytes")
utilizations = st.floats(0.01, 1.0)


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=6)
@given(st.tuples(utilizations, utilizations))
def test_more_utilization_never_costs_less(name, pair):
    less, more = (cost_table(NETWORKS[name], utilization=u) for u in sorted(pair))
    for count in COUNTS:
        assert getattr(less.total, count) <= getattr(more.total, count)
    assert less.energy <= more.energy


@pytest.mark.parametrize("name", NETWORKS)
def test_a_lower_level_costs_less(name):
    """So that the law above is not met by a count that never moves."""
    half, full = (cost_table(NETWORKS[name], utilization=u) for u in (0.5, 1.0))
    assert half.total.macs < 0.7 * full.total.macs
    assert half.energy < full.energy
    assert half.total.activation_bytes < full.total.activation_bytes
