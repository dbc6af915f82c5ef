"""At u = 1 a network is its vanilla twin, and it learns."""

import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.surgery import copy_weights
from small_networks import NETWORKS, samples, with_random_statistics


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_full_utilization_equals_the_vanilla_twin(build):
    model, vanilla = with_random_statistics(build()), build(throttled=False)
    assert not any(hasattr(layer, "gate") for layer in vanilla.layers)
    copy_weights(model, vanilla)
    # The same operations on the same weights, and products with one: equal to the bit.
    np.testing.assert_array_equal(model(samples(model)), vanilla(samples(model)))


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_the_twin_has_the_same_layers_but_for_gates(build):
    names = [layer.name for layer in build(throttled=False).layers]
    more = [layer.name for layer in build().layers if layer.name not in names]
    assert all(name.endswith("_gate") or "open_" in name or name == "utilization" for name in more)


@pytest.mark.parametrize("name", ["c3d", "resnext_branches"])
def test_a_few_steps_lower_the_loss(name):
    model = NETWORKS[name]()
    x, y = samples(model, 8), np.arange(8) % 10
    # XLA takes longer to compile such a step than the test takes to run it.
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    history = model.fit(x, y, batch_size=8, epochs=6, verbose=0).history["loss"]
    # u is drawn anew in each step: compare the mean of the last three with the first three.
    assert np.mean(history[-3:]) < np.mean(history[:3])


def test_what_stands_in_front_of_gates_is_theirs():
    vanilla = tnn.models.ResNet((8, 8, 3), 4, depth=8, width=4, throttled=False)
    gate = tnn.gates.Recurrent
    gated = tnn.models.ResNet((8, 8, 3), 4, depth=8, width=4, axis="depth", gate=gate)
    front = gated.get_layer("stage1_block1_open_features")
    before = front.get_weights()[0]
    copy_weights(vanilla, gated)
    np.testing.assert_array_equal(front.get_weights()[0], before)
    np.testing.assert_array_equal(
        gated.get_layer("predictions").get_weights()[0],
        vanilla.get_layer("predictions").get_weights()[0],
    )
