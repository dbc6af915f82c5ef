"""Levels of real, tiny networks: the rows agree with what Keras says of the same levels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_tnn
from keras_tnn import ThrottledModel, materialize
from keras_tnn.analysis import evaluate_levels
from keras_tnn.cost import EnergyModel, count_macs, energy
from keras_tnn.layers import ThrottleableConv2D
from keras_tnn.models import VGG
from keras_tnn.surgery import copy_weights

LEVELS = (0.25, 0.5, 1.0)


def network(throttled=True, batch_normalization=False):
    model = VGG(
        (8, 8, 3),
        num_classes=3,
        num_groups=4,
        filters=((8,), (16,)),
        dense_units=16,
        batch_normalization=batch_normalization,
        throttled=throttled,
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    return generator.normal(size=(30, 8, 8, 3)).astype("float32"), np.arange(30) % 3


def test_a_function_measures_in_place_of_the_compiled_metrics(data):
    model = VGG((8, 8, 3), 3, num_groups=4, filters=((8,), (16,)), batch_normalization=False)
    judged = []

    def measure(level, x, y):
        judged.append(level)
        return {"largest": float(np.max(level(x)))}

    table = evaluate_levels(model, *data, levels=(0.5, 1.0), measure=measure, verbose=False)
    assert [row.parameters for row in table.rows] == [one.count_params() for one in judged]
    assert table.values("largest") == [float(np.max(one(data[0]))) for one in judged]


def test_rows_agree_with_the_masked_model(data):
    model = network()
    table = evaluate_levels(model, *data, levels=LEVELS, verbose=False)
    assert [row.utilization for row in table.rows] == list(LEVELS)
    assert [(row.open_groups, row.total_groups) for row in table.rows] == [
        (3, 12),
        (6, 12),
        (12, 12),
    ]
    for row in table.rows:
        masked = model.evaluate(*data, utilization=row.utilization, verbose=0, return_dict=True)
        small = materialize(model, utilization=row.utilization)
        assert row.macs == count_macs(small)
        assert row.parameters == small.count_params()
        assert row.energy == energy(small)
        assert row.real_utilization == row.utilization  # each is a step of four groups
        # Masked and cut outputs agree to 1e-4; the loss of 30 samples no worse.
        assert row.metrics == pytest.approx(masked, abs=1e-4)


def test_parameters_by_hand(data):
    row = evaluate_levels(network(), *data, levels=(0.5,), verbose=False).rows[0]
    # Half the filters, half the units: 4, 8 and 8. Two poolings leave 2 x 2 positions.
    convolutions = (9 * 3 * 4 + 4) + (9 * 4 * 8 + 8)
    dense = (2 * 2 * 8 * 8 + 8) + (8 * 3 + 3)
    assert row.parameters == convolutions + dense


def test_energy_by_the_users_constants(data):
    counts_macs = EnergyModel(dram=0.0, buffer=0.0, register=0.0, mac=1e-12)
    table = evaluate_levels(
        network(), *data, levels=LEVELS, energy_model=counts_macs, verbose=False
    )
    for row in table.rows:
        assert row.energy == pytest.approx(row.macs * 1e-12)  # one rounding


def test_between_two_steps_the_table_says_what_runs(data):
    # floor(0.7 x 5) = 3 of 4 groups in each of three layers
    row = evaluate_levels(network(), *data, levels=(0.7,), verbose=False).rows[0]
    assert (row.utilization, row.open_groups, row.real_utilization) == (0.7, 9, 0.75)


def test_vanilla_at_full_utilization_is_the_vanilla_network(data):
    vanilla = network(throttled=False)
    vanilla.fit(*data, epochs=2, verbose=0)
    table = evaluate_levels(network(), *data, levels=(0.5, 1.0), vanilla=vanilla, verbose=False)
    expected = vanilla.evaluate(*data, verbose=0, return_dict=True)
    # The same weights in the same order of operations, but for the cut's gather: float rounding.
    assert table.rows[-1].vanilla_metrics == pytest.approx(expected, abs=1e-5)
    assert table.rows[0].vanilla_metrics["loss"] != pytest.approx(expected["loss"], abs=1e-3)


def test_vanilla_leaves_both_models_as_they_were(data):
    model, vanilla = network(), network(throttled=False)
    before = [weight.copy() for weight in model.get_weights() + vanilla.get_weights()]
    evaluate_levels(model, *data, levels=LEVELS, vanilla=vanilla, verbose=False)
    for old, new in zip(before, model.get_weights() + vanilla.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(10 * index, 10 * index + 10)
        return self.x[part], self.y[part]


@pytest.mark.parametrize(
    "wrap", [lambda *data: tf.data.Dataset.from_tensor_slices(data).batch(10), Batches]
)
def test_datasets_are_read_once_a_level(data, wrap):
    model = network()
    expected = evaluate_levels(model, *data, levels=LEVELS, verbose=False)
    table = evaluate_levels(model, wrap(*data), levels=LEVELS, verbose=False)
    for row, other in zip(table.rows, expected.rows, strict=True):
        # Batches of 10 in place of 30 (a batch of 32) sum in another order.
        assert row.metrics == pytest.approx(other.metrics, abs=1e-5)


def test_generator_is_refused(data):
    generator = (batch for batch in [data])
    with pytest.raises(ValueError, match="Invalid value for `x`.*Received: generator"):
        evaluate_levels(network(), generator)


def test_calibration_is_used_and_asked_for(data):
    model = network(batch_normalization=True)
    x, _ = data
    with pytest.warns(UserWarning, match="`calibration_data` is None.*SandwichRule.*drew its own"):
        without = evaluate_levels(model, *data, levels=(1.0,), verbose=False)
    calibrated = evaluate_levels(model, *data, levels=(1.0,), calibration_data=x, verbose=False)
    assert calibrated.rows[0].metrics["loss"] != without.rows[0].metrics["loss"]


def test_calibration_is_asked_for_by_a_normalisation_in_a_nested_model(data):
    features = keras.Input((8, 8, 8))
    inner = keras.Model(features, keras.layers.BatchNormalization()(features))
    image, u = keras.Input((8, 8, 3)), keras.Input((), name="utilization")
    x = ThrottleableConv2D(8, 3, num_groups=2, padding="same")([image, u])
    x = keras.layers.GlobalAveragePooling2D()(inner(x))
    model = ThrottledModel([image, u], keras.layers.Dense(3, activation="softmax")(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="`calibration_data` is None"):
        evaluate_levels(model, *data, levels=(1.0,), verbose=False)


def test_metric_objects_of_the_model_are_not_touched(data):
    model = network()
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="top")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(), metrics=[accuracy])
    table = evaluate_levels(model, *data, levels=(1.0,), verbose=False)
    assert set(table.rows[0].metrics) == {"loss", "top"}
    assert float(accuracy.count) == 0


@pytest.mark.parametrize(
    "levels, match",
    [
        ((), "Expected at least one level"),
        ((0.5, 0.25), "Expected levels that rise"),
        ((0.5, 0.5), "Expected levels that rise"),
        ((0.0, 0.5), r"Expected a float in \(0, 1\]"),
        ((0.5, 1.5), r"Expected a float in \(0, 1\]"),
        ((float("nan"),), r"Expected a float in \(0, 1\]"),
        (("half",), r"Expected a float in \(0, 1\]"),
        ("0.5", "Expected a rising sequence"),
        (0.5, "Expected a rising sequence"),
    ],
)
def test_bad_levels(data, levels, match):
    with pytest.raises(ValueError, match=match):
        evaluate_levels(network(), *data, levels=levels)


def test_model_not_compiled(data):
    model = VGG((8, 8, 3), 3, num_groups=4, filters=((8,),), dense_units=None)
    with pytest.raises(ValueError, match=r"not compiled.*model.compile\(loss="):
        evaluate_levels(model, *data)


def test_model_not_throttled(data):
    with pytest.raises(ValueError, match="no throttled layer"):
        evaluate_levels(network(throttled=False), *data)


@pytest.mark.parametrize("change", [{"filters": ((8,),)}, {"dense_units": 20}])
def test_vanilla_that_is_no_twin(data, change):
    arguments = {"filters": ((8,), (16,)), "dense_units": 16, "batch_normalization": False}
    other = VGG((8, 8, 3), 3, 4, **arguments | change, throttled=False)
    with pytest.raises(ValueError, match="Invalid value for `vanilla`.*Received: 'vgg_vanilla'"):
        evaluate_levels(network(), *data, vanilla=other)


def test_vanilla_is_calibrated_like_the_model(data):
    model, vanilla = network(), network(throttled=False)
    copy_weights(model, vanilla)
    table = evaluate_levels(
        model, *data, levels=(0.5, 1.0), vanilla=vanilla, calibration_data=data[0], verbose=False
    )
    for row in table.rows:  # the same weights, cut and calibrated in the same way
        assert row.vanilla_metrics == pytest.approx(row.metrics, abs=1e-6)


def test_a_cost_that_falls_is_told():
    """A gate of u that opens below u = 1/2 and closes above it."""
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    plain = keras.Model(image, keras.layers.Dense(2)(x))
    model = keras_tnn.throttle(plain, num_groups=2, gate=keras_tnn.gates.Blind)
    (gate,) = model.learned_gates
    gate.hidden.kernel.assign(np.ones((1, 32)))  # relu(u)
    gate.output_logits.kernel.assign(np.full((32, 1), -1.0))  # the other group is always open
    gate.output_logits.bias.assign([16.0])
    model.compile(loss="mse")
    x, y = np.zeros((2, 4, 4, 3)), np.zeros((2, 2))
    with pytest.warns(UserWarning, match="u=1 takes 220 after 440 at u=0.25 multiply-acc"):
        table = keras_tnn.evaluate_levels(model, x, y, (0.25, 1.0))
    assert [row.macs for row in table.rows] == [4 * 27 * 4 + 4 * 2, 4 * 27 * 2 + 2 * 2]
