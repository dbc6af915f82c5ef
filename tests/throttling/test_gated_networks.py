"""Learned gates on the networks that they are made for."""

from functools import partial

import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import gates, models
from keras_tnn.throttling import granularity


def network(name):
    if name == "MobileNetV2-32":
        return models.MobileNetV2((32, 32, 3), 10, throttled=False), granularity.mobilenetv2()
    if name == "MobileNetV2-224":
        return models.MobileNetV2((224, 224, 3), 1000, throttled=False), granularity.mobilenetv2()
    if name == "ResNet-50":
        return models.ResNet50((224, 224, 3), 1000, throttled=False), granularity.resnet50()
    depth = int(name.removeprefix("ResNet-"))
    return models.ResNet((32, 32, 3), 10, depth=depth, throttled=False), 8


slow = partial(pytest.param, marks=pytest.mark.slow)
NAMES = ["ResNet-20", "MobileNetV2-32"]
NAMES += map(slow, ["ResNet-56", "ResNet-110", "MobileNetV2-224", "ResNet-50"])


@pytest.mark.parametrize("name", NAMES)
def test_gates_on(name):
    plain, size = network(name)
    image = np.random.default_rng(0).random((2, *plain.input_shape[1:]), dtype="float32")
    expected = plain(image)

    pruning = tnn.throttle(plain, gate=gates.DataIndependent, granularity=size)
    rng, patterns = np.random.default_rng(0), {}
    for gate in pruning.learned_gates:
        patterns[gate.name] = np.ones(gate.num_groups, int)
        patterns[gate.name][gate.free] = rng.integers(0, 2, gate.free_groups)
        p = np.where(patterns[gate.name][gate.free], 30.0, -30.0)
        gate.pairs.assign(np.stack([-p / 2, p / 2], axis=-1))
    with pruning.gating(gates.AlwaysOn()):
        np.testing.assert_array_equal(pruning(image), expected)
    with gates.record_decisions() as decisions:
        masked = pruning(image)
    pruned = tnn.materialize(pruning, gates=patterns)
    # Float32 sums of hundreds of terms in another order, through up to 110 layers.
    np.testing.assert_allclose(pruned(image), masked, atol=1e-4)
    share = tnn.losses.MacsShare(pruning)(decisions)
    macs = tnn.count_macs(pruned) / tnn.count_macs(plain)
    np.testing.assert_allclose(share, np.full((2, 1), macs), rtol=1e-5)

    deciding = tnn.throttle(plain, gate=gates.DataDependent, granularity=size)
    with deciding.gating(gates.AlwaysOn()), gates.record_decisions() as decisions:
        np.testing.assert_array_equal(deciding(image), expected)
    share = np.array(tnn.losses.MacsShare(deciding)(decisions))
    assert np.all(share > 1) and np.all(share < 1.1), "all of the network, and the gates"
    assert share.shape == (2, 1)
