"""`throttle` with a gate for each axis: one that walks over blocks, one for each convolution."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn
from keras_tnn import gates
from keras_tnn.cost import gated_macs

DUAL = {"depth": gates.Recurrent, "width": partial(gates.Convolutional, filters=4)}
IMAGES = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype("float32")
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}  # the same sums in another order


def network(blocks=2):
    """A stem, residual blocks, and a hidden dense layer."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(image)
    for number in range(blocks):
        y = layers.Conv2D(8, 3, padding="same", activation="relu", name=f"first_{number}")(x)
        y = layers.Conv2D(8, 3, padding="same", name=f"second_{number}")(y)
        x = layers.Add(name=f"sum_{number}")([x, y])
    x = layers.Flatten()(x)
    x = layers.Dense(8, activation="relu", name="hidden")(x)
    return keras.Model(image, layers.Dense(4, name="head")(x), name="user")


def random_gates(model):
    """Half of the decisions open."""
    rng = np.random.default_rng(3)
    for gate in model.learned_gates:
        gate.output_logits.kernel.assign(rng.normal(0, 3, gate.output_logits.kernel.shape))
        gate.output_logits.bias.assign(np.zeros(gate.free_groups))
    return model


def test_a_gate_for_each_axis():
    plain = network()
    model = tnn.throttle(plain, num_groups=2, gate=DUAL)
    keys = {one.key: type(one.gate) for one in model.gate_calls}
    assert keys == {
        "open_blocks": gates.Recurrent,
        "open_blocks/2": gates.Recurrent,
        "first_0_open": gates.Convolutional,
        "first_1_open": gates.Convolutional,
    }  # what blocks add up, and the dense layer, stay whole
    with model.gating(gates.AlwaysOn()):
        opened = ops.convert_to_numpy(model(IMAGES))
    np.testing.assert_allclose(opened, plain.predict(IMAGES, verbose=0), **TOLERANCE)
    small = tnn.surgery.conditional(random_gates(model))
    made = ops.convert_to_numpy(small(IMAGES))
    np.testing.assert_allclose(made, model.predict(IMAGES, verbose=0), **TOLERANCE)


def test_a_channel_gate_is_inside_its_block():
    """One group of costs for what decides always, and one for each block."""
    cost = gated_macs(tnn.throttle(network(), num_groups=2, gate=DUAL))
    places = dict(
        zip(
            (site.key for site in cost.sites),
            np.cumsum([0] + [site.gate.num_groups for site in cost.sites])[:-1].tolist(),
            strict=True,
        )
    )
    looking = 4 * 4 * 9 * 8 * 4 + 4 * 2
    walking = 2 * (8 * 10 + 4 * 10 * 20 + 10)
    assert cost.gates.costs == {
        (): walking,
        (places["open_blocks"],): looking,
        (places["open_blocks/2"],): looking,
    }


def test_depth_alone_and_saving(tmp_path):
    model = random_gates(tnn.throttle(network(3), axes=("depth",), gate=gates.Recurrent))
    assert [one.key for one in model.gate_calls] == [
        "open_blocks",
        "open_blocks/2",
        "open_blocks/3",
    ]
    model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(*(one.predict(IMAGES, verbose=0) for one in (again, model)))


def test_nested_gates_beside_learned_ones():
    """An axis that is not named follows u."""
    model = tnn.throttle(network(), num_groups=2, gate={"depth": gates.Recurrent})
    assert {type(gate) for gate in model.gates} == {gates.Nested, gates.Recurrent}
    narrow = model.predict(IMAGES, utilization=0.5, verbose=0)
    assert np.abs(narrow - model.predict(IMAGES, verbose=0)).max() > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gate": gates.Recurrent}, "decides on blocks only. Expected axes="),
        ({"gate": gates.Recurrent, "axes": ("width",)}, "Received: a gate for the channels of"),
        ({"gate": {"height": gates.Recurrent}}, "Expected gates for axes among"),
        ({"gate": DUAL, "axes": ("depth",)}, r"Expected gates for axes among \('depth',\)"),
        ({"gate": {}}, r"Received: gates for \(\)"),
        ({"gate": {"depth": layers.Dense}}, "Expected a class of keras_tnn.gates"),
    ],
)
def test_invalid(arguments, message):
    with pytest.raises(ValueError, match=message):
        tnn.throttle(network(), num_groups=2, **arguments)


def test_a_model_without_blocks():
    with pytest.raises(ValueError, match="Model 'user' has no residual blocks with an identity"):
        tnn.throttle(network(blocks=0), num_groups=2, gate=DUAL)
    with pytest.raises(ValueError, match="has no residual block with an identity shortcut"):
        tnn.throttle(network(blocks=0), axes=("depth",), gate=gates.Recurrent)


def test_a_model_without_convolutions():
    image = keras.Input((6,))
    x = layers.Dense(8, activation="relu")(image)
    dense = keras.Model(image, layers.Dense(2)(layers.Add()([x, layers.Dense(8)(x)])), name="dense")
    with pytest.raises(ValueError, match="Model 'dense' has no channels to close"):
        tnn.throttle(dense, num_groups=2, gate=DUAL)
