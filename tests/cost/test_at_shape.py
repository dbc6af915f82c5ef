"""Costs of models that leave sizes open, at sizes that are asked for."""

import keras
import pytest
from keras import layers, ops

import keras_tnn as tnn
from keras_tnn.cost import cost_table, count_macs, energy, layer_costs


def any_size(shape=(None, None, 3)) -> keras.Model:
    image = keras.Input(shape)
    x = layers.Conv2D(8, 3, padding="same")(image)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(layers.UpSampling2D()(x))
    return keras.Model(image, layers.Dense(3)(ops.mean(x, axis=(1, 2))))


def test_costs_at_a_size_are_those_of_a_model_of_that_size():
    fixed, model = any_size((6, 8, 3)), any_size()
    assert count_macs(model, input_shape=(6, 8, 3)) == count_macs(fixed)
    assert count_macs(fixed) == 48 * 9 * 3 * 8 + 48 * 9 * 8 * 8 + 8 * 3
    rows = layer_costs(model, input_shape=[(6, 8, 3)])
    assert [x.moved_bytes for x in rows] == [x.moved_bytes for x in layer_costs(fixed)]
    assert energy(model, input_shape=(6, 8, 3)) == energy(fixed)
    assert cost_table(model, input_shape=(6, 8, 3)).total == cost_table(fixed).total


def test_a_level_of_a_dial_at_a_size():
    dialled = tnn.throttle(any_size(), num_groups=4)
    expected = 48 * 9 * 3 * 4 + 48 * 9 * 4 * 4 + 4 * 3
    assert count_macs(dialled, 0.5, input_shape=(6, 8, 3)) == expected


def test_several_inputs_by_name_or_in_order():
    a, b = keras.Input((None, 4), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"a": a, "b": b}, [layers.Dense(3)(a), layers.Dense(3)(b)])
    assert count_macs(model, input_shape={"a": (5, 4), "b": (2,)}) == 5 * 4 * 3 + 2 * 3
    assert count_macs(model, input_shape=[(5, 4), (2,)]) == 5 * 4 * 3 + 2 * 3


def test_an_open_size_is_an_error_that_names_the_argument():
    with pytest.raises(
        ValueError, match=r"size that is not known.*`count_macs\(model, input_shape"
    ):
        count_macs(any_size())


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 4), (None, 8, 3), (0, 8, 3), [(6, 8, 3)] * 2, 6])
def test_shapes_that_do_not_fit(shape):
    with pytest.raises(ValueError, match="Invalid value for `input_shape`. Expected sizes"):
        count_macs(any_size(), input_shape=shape)
