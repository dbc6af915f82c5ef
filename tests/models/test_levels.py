"""A level is the masked network with what is closed cut out, and it never costs more."""

import keras
import numpy as np
import pytest

from keras_tnn import count_macs, materialize
from small_networks import NETWORKS, samples, with_random_statistics


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_materialized_equals_masked_and_macs_never_rise(build):
    model = with_random_statistics(build())
    x, macs = samples(model), []
    for level in (0.1, 0.6):  # u = 1 is the twin's
        small = materialize(model, level)
        masked = model([x, np.full(len(x), level, "float32")])
        # float32 sums in another order
        np.testing.assert_allclose(small(x), masked, rtol=1e-4, atol=1e-4)
        macs.append(count_macs(small))
    macs.append(count_macs(build(throttled=False)))
    assert macs == sorted(macs)
    assert macs[0] < macs[2]


@pytest.mark.parametrize("name", ["resnet50_depth", "densenet_depth", "shufflenet3d_depth"])
def test_depth_gating_drops_whole_blocks(name):
    joins = (keras.layers.Add, keras.layers.Concatenate)
    model = NETWORKS[name]()
    whole = sum(isinstance(x, joins) for x in materialize(model, 1.0).layers)
    # Units that halve a clip concatenate, and are not gated.
    fixed = sum(isinstance(x, joins) and "unit1_" in x.name for x in model.layers)
    lowest = sum(isinstance(x, joins) for x in materialize(model, 0.05).layers)
    assert lowest == fixed < whole
