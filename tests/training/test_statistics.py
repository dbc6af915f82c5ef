"""Whether batch-norm statistics fit the level that is evaluated, and who is told."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import callbacks

X = np.random.default_rng(0).random((32, 8, 8, 3), dtype="float32")
Y = np.arange(32) % 4


def network(**more):
    model = tnn.models.VGG((8, 8, 3), 4, num_groups=4, filters=((8,),), dense_units=None, **more)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize(
    ("rule", "u"),
    [
        (callbacks.SandwichRule(), 0.5),
        (callbacks.UniformUtilization(per="batch"), 0.5),
        (callbacks.UniformUtilization(per="batch"), 1.0),
        (callbacks.DiscreteUtilization((0.25, 1.0), per="batch"), 0.25),
        (callbacks.FixedUtilization(1.0), 0.5),
        (callbacks.UtilizationCurriculum(1.0), 0.5),
    ],
)
def test_a_level_whose_statistics_do_not_fit_is_told(rule, u, tmp_path):
    model = network()
    model.fit(X, Y, verbose=0, callbacks=[rule])
    model.save(tmp_path / "net.keras")
    for one in (model, keras.saving.load_model(tmp_path / "net.keras")):
        with pytest.warns(UserWarning, match="its statistics do not fit this level"):
            one.evaluate(X, Y, utilization=u, verbose=0)
        one.evaluate(X, Y, utilization=u, verbose=0, calibration_data=X)


@pytest.mark.parametrize(
    ("rule", "u", "more"),
    [
        (callbacks.UniformUtilization(), 0.5, {}),
        (callbacks.SandwichRule(), 1.0, {}),
        (callbacks.DiscreteUtilization((0.5,), per="batch"), 0.5, {}),
        (callbacks.SandwichRule(), 0.5, {"batch_normalization": False}),
    ],
)
def test_statistics_that_fit_are_not_spoken_of(rule, u, more):
    model = network(**more)
    model.fit(X, Y, verbose=0, callbacks=[rule])
    model.evaluate(X, Y, utilization=u, verbose=0)


def test_calibrated_evaluation_is_that_of_the_cut_level_and_leaves_the_model():
    model = network()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.SandwichRule()])
    before = model.get_weights()
    found = model.evaluate(X, Y, utilization=0.5, calibration_data=X, verbose=0)
    small = tnn.materialize(model, 0.5, calibration_data=X)
    small.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    np.testing.assert_allclose(found, small.evaluate(X, Y, verbose=0), rtol=1e-5)
    for mine, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)


def test_levels_are_validated_for_other_callbacks_to_follow(tmp_path):
    model = network()
    levels = callbacks.LevelValidation(X, Y, (0.25, 0.5), calibration_data=X)
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="val_accuracy_at_0.25", mode="max", save_best_only=True
    )
    rule = callbacks.SandwichRule()
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[rule, levels, best]).history
    assert {"val_accuracy_at_0.25", "val_loss_at_0.5"} <= history.keys()
    last = model.evaluate(X, Y, utilization=0.5, calibration_data=X, verbose=0, return_dict=True)
    assert history["val_loss_at_0.5"][-1] == pytest.approx(last["loss"], rel=1e-5)
    assert (tmp_path / "best.keras").exists()


def test_validated_levels_need_a_throttled_model():
    plain = network(throttled=False)
    with pytest.raises(ValueError, match="needs a keras_tnn.ThrottledModel"):
        plain.fit(X, Y, verbose=0, callbacks=[callbacks.LevelValidation(X, Y)])
    with pytest.raises(ValueError, match="Invalid value for `levels`"):
        callbacks.LevelValidation(X, Y, (0.5, 0.25))
