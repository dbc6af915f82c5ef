"""The reward of chen2020, Eq. 4, case by case."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.losses import BudgetReward

GAMMA, OMEGA = 0.5, 0.25


@pytest.mark.parametrize(
    ("right", "usage", "expected"),
    [
        (1, 0.5, 1.0),  # as asked
        (1, 0.25, 1 - 0.5),  # sqrt(1/4) below
        (1, 0.75, 1 - 0.5 - OMEGA),  # as far above
        (0, 0.5, -GAMMA),
        (0, 0.25, -GAMMA * (1 + 0.5)),
        (0, 0.75, -GAMMA * (1 + 0.5 + OMEGA)),
    ],
)
def test_every_case(right, usage, expected):
    arrays = (np.float32([x]) for x in (right, usage, 0.5))
    assert float(BudgetReward(GAMMA, OMEGA)(*arrays)[0]) == expected


def test_omega_always_lowers_the_reward():
    right, usage = np.float32([1, 0]), np.float32([0.6, 0.6])
    mild, strict = (BudgetReward(1.0, w)(right, usage, np.float32([0.5, 0.5])) for w in (0, 0.5))
    assert (np.array(strict) < np.array(mild)).all()


@pytest.mark.parametrize("name", ["gamma", "omega"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "1", True])
def test_refuses(name, value):
    with pytest.raises(ValueError, match=f"Invalid value for `{name}`. Expected a float, 0 or m"):
        BudgetReward(**{name: value})


def test_refuses_an_unknown_unit():
    with pytest.raises(ValueError, match="Invalid value for `unit`. Expected one of .*'seconds'"):
        BudgetReward(unit="seconds")


def test_units_are_complexities():
    image, u = keras.Input((4,)), keras.Input((), name="utilization")
    x = tnn.layers.ThrottleableDense(8, num_groups=2, name="hidden")([image, u])
    model = keras.Model([image, u], keras.layers.Dense(2)(x))
    for unit in ("gates", "macs", "energy"):
        assert isinstance(BudgetReward(unit=unit).unit(model), tnn.losses.Complexity)
    seconds = BudgetReward(unit=lambda m: tnn.losses.MeasuredShare(m, {"hidden": [1.0, 3.0]}))
    assert seconds.unit(model).measure(np.float32([[1, 0]])).numpy().tolist() == [[0.25]]
