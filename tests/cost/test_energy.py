"""Energy by hand (wang2019, Eq. 6), and what constants it accepts."""

import keras
import pytest
from keras import layers

from keras_tnn.cost import EnergyModel, energy, layer_costs


@pytest.fixture
def convolution():
    """4 filters of 3 x 3 x 2 on 6 x 6: 16 positions."""
    return keras.Sequential([keras.Input((6, 6, 2)), layers.Conv2D(4, 3)])


def test_one_layer_by_hand(convolution):
    weights, inputs, outputs = 9 * 2 * 4 + 4, 6 * 6 * 2, 4 * 4 * 4
    macs = 16 * (9 * 2 * 4)
    dram = weights + inputs + outputs  # each once
    buffer = 2 * dram  # in and out
    register = 4 * macs  # weight, input, partial sum read; partial sum written
    assert (dram, buffer, register, macs) == (212, 424, 4608, 1152)
    (cost,) = layer_costs(convolution)
    assert EnergyModel().accesses(cost) == {"dram": 212, "buffer": 424, "register": 4608}
    picojoules = 212 * 920 + 424 * 27.6 + 4608 * 4.6 + 1152 * 4.6
    assert EnergyModel().energy(cost) == pytest.approx(picojoules * 1e-12)
    assert energy(convolution) == pytest.approx(picojoules * 1e-12)


def test_relative_costs_are_those_of_eyeriss():
    model = EnergyModel()
    ratios = [cost / model.mac for cost in (model.dram, model.buffer, model.register)]
    assert ratios == pytest.approx([200, 6, 1])  # ISCA 2016, Table IV


@pytest.mark.parametrize(
    "constants, expected",
    [
        ({"dram": 1.0}, 212),
        ({"buffer": 1.0}, 424),
        ({"register": 1.0}, 4608),
        ({"mac": 1.0}, 1152),
        ({"dram": 1.0, "bytes_per_access": 8}, 106),
    ],
)
def test_constants_are_the_users(convolution, constants, expected):
    nothing = dict.fromkeys(("dram", "buffer", "register", "mac"), 0.0)
    assert energy(convolution, EnergyModel(**nothing | constants)) == expected


def test_layers_add_up():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.ReLU(), layers.MaxPooling2D()]
    )
    costs = layer_costs(model)
    each = [EnergyModel().energy(cost) for cost in costs]
    assert energy(model) == energy(costs) == pytest.approx(sum(each))
    assert each[1] == 0  # in passing


@pytest.mark.parametrize("value", [-1e-12, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["dram", "buffer", "register", "mac"])
def test_bad_energy(name, value):
    with pytest.raises(ValueError, match=f"`{name}`. Expected Joules, zero or more. Received"):
        EnergyModel(**{name: value})


@pytest.mark.parametrize("value", [0, -4, float("nan")])
def test_bad_bytes(value):
    with pytest.raises(ValueError, match="`bytes_per_access`. Expected bytes, at least 1"):
        EnergyModel(bytes_per_access=value)
