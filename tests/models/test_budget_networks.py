"""The networks of chen2020 with a policy for their paths or blocks."""

from functools import partial

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.gates import AlwaysOn, BudgetPolicy

NETWORKS = {
    "ResNeXt-29, 36 paths": (partial(tnn.models.ResNeXt, depth=29, gate_sums=False), 36),
    "ResNeXt-56, 72 paths": (partial(tnn.models.ResNeXt, depth=56, gate_sums=False), 72),
    "ResNet-110, 54 blocks": (partial(tnn.models.ResNet, depth=110, axis="depth"), 54),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_components_and_pretrained_weights(name):
    make, components = NETWORKS[name]
    plain = make((8, 8, 3), 4, throttled=False)
    model = tnn.surgery.copy_weights(plain, make((8, 8, 3), 4, gate=BudgetPolicy))
    assert [gate.num_groups for gate in model.gates] == [components]
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    with model.gating(AlwaysOn()):
        received = model(x)
    # float32 sums of many layers, in the same order
    np.testing.assert_allclose(received, plain(x), rtol=1e-4, atol=1e-6)


def test_every_path_is_a_component_of_its_own():
    make = partial(tnn.models.ResNeXt, (8, 8, 3), 4, depth=11, filters=16, branch_width=2)
    model = make(gate_sums=False, gate=BudgetPolicy)
    whole = tnn.count_macs(make(throttled=False))
    share = tnn.losses.MacsShare(model)
    saved = []
    for closed in range(12):
        pattern = np.ones(12)
        pattern[closed] = 0
        small = tnn.materialize(model, gates={"open_groups": pattern})
        saved.append(whole - tnn.count_macs(small))
    assert min(saved) > 0
    # the paths of a block cost alike, and all of them together all but shortcuts, stem and end
    assert [len({*saved[i : i + 4]}) for i in (0, 4, 8)] == [1, 1, 1]
    assert whole - sum(saved) == share.cost.network.constant


def test_an_extractor_of_the_users():
    image = keras.Input((8, 8, 3))
    extractor = keras.Model(image, keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(image)))
    gate = partial(BudgetPolicy, extractor=extractor)
    model = tnn.models.ResNeXt((8, 8, 3), 4, depth=11, gate_sums=False, gate=gate)
    again = type(model).from_config(model.get_config())
    assert again.gates[0].extractor.count_params() == 9 * 3 * 2 + 2
    assert model.predict(np.zeros((3, 8, 8, 3)), utilization=0.5, verbose=0).shape == (3, 4)
