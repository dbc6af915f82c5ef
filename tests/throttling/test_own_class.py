"""What a model's class computes in its own way, its throttled copy computes in that way."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn

RNG = np.random.default_rng(0)
X = RNG.random((8, 6, 6, 3)).astype("float32")
Y = RNG.integers(0, 2, 8)
LEVELS = (0.25, 0.5, 1.0)
REGIMES = {
    "per sample": lambda: tnn.callbacks.UniformUtilization(),
    "per batch": lambda: tnn.callbacks.DiscreteUtilization(LEVELS, per="batch"),
    "sandwich": lambda: tnn.callbacks.SandwichRule(LEVELS),
    "distilled": lambda: tnn.callbacks.SandwichRule(LEVELS, distillation=True),
}


@keras.saving.register_keras_serializable(package="test_own_class")
class Smoothed(keras.Model):
    """Makes its targets from labels and images, as a detector does, and answers with classes."""

    def compute_loss(self, x, y, y_pred, sample_weight, **kwargs):
        brightness = ops.mean(x, axis=(1, 2, 3))[:, None]  # fails on anything but images
        target = ops.one_hot(ops.cast(y, "int32"), 2) * self.sureness + 0.0 * brightness
        return super().compute_loss(
            x=x, y=target, y_pred=y_pred, sample_weight=sample_weight, **kwargs
        )

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.bright.update_state(ops.mean(x))
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, *args):
        return ops.argmax(super().predict_step(*args), axis=-1) + 10

    @property
    def metrics(self):
        return [*super().metrics, self.bright]


def network(cls=Smoothed, **own):
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(8, 3, activation="relu")(layers.Conv2D(8, 3, activation="relu")(image))
    model = cls(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    for name, value in own.items():
        setattr(model, name, value)
    return model


def smoothed():
    return network(sureness=0.9, bright=keras.metrics.Mean(name="bright"))


def throttled(model):
    dialled = tnn.throttle(model, num_groups=4)
    dialled.compile(keras.optimizers.SGD(0.01), "mse")
    return dialled


def by_hand(outputs) -> float:
    """The loss that `Smoothed` gives to outputs."""
    return float(np.mean((outputs - np.eye(2)[Y] * 0.9) ** 2))


def test_its_loss_metrics_and_answers_are_those_of_the_model():
    model = smoothed()
    model.compile("sgd", "mse")
    dialled = throttled(model)
    assert isinstance(dialled, Smoothed)
    assert dialled.bright is not model.bright
    assert dialled.evaluate(X, Y, verbose=0, return_dict=True) == pytest.approx(
        model.evaluate(X, Y, verbose=0, return_dict=True)
    )
    np.testing.assert_array_equal(dialled.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("u", [0.25, 0.5, np.linspace(0.2, 1.0, 8)], ids=["1/4", "1/2", "each"])
def test_its_loss_judges_what_a_level_gives(u):
    dialled = throttled(smoothed())
    outputs = np.array(dialled([X, u]))
    found = dialled.evaluate(X, Y, utilization=u, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(by_hand(outputs), rel=1e-5)
    expected = outputs.argmax(-1) + 10
    np.testing.assert_array_equal(dialled.predict(X, utilization=u, verbose=0), expected)


@pytest.mark.parametrize("regime", REGIMES)
def test_every_regime_trains_by_its_loss(regime):
    dialled = throttled(smoothed())
    before = [np.array(weight) for weight in dialled.weights]
    found = dialled.fit(X, Y, verbose=0, epochs=2, callbacks=[REGIMES[regime]()])
    assert np.all(np.isfinite(found.history["loss"]))
    assert any(not np.array_equal(*pair) for pair in zip(before, dialled.weights, strict=True))


def test_the_sandwich_rule_judges_each_level_by_its_loss():
    dialled = throttled(smoothed())
    expected = np.mean([by_hand(np.array(dialled([X, u]))) for u in (0.25, 1.0)])
    rule = tnn.callbacks.SandwichRule((0.25, 1.0))
    found = dialled.fit(X, Y, verbose=0, batch_size=8, callbacks=[rule])
    assert found.history["loss"] == pytest.approx([expected], rel=1e-5)


def test_learned_gates_learn_beside_its_loss():
    dialled = tnn.throttle(smoothed(), num_groups=4, gate=tnn.gates.DataIndependent)
    dialled.compile("sgd", "mse")
    found = dialled.fit(X, Y, verbose=0, callbacks=[tnn.callbacks.BatchActivation(target=0.5)])
    assert "activation_rate" in dialled.evaluate(X, Y, verbose=0, return_dict=True)
    assert np.isfinite(found.history["loss"]).all()


def test_gates_that_need_the_loss_of_each_sample_say_so():
    gate = lambda **of: tnn.gates.DataIndependent(**of, estimator=tnn.gates.Reinforce())  # noqa: E731
    dialled = tnn.throttle(smoothed(), num_groups=4, gate=gate)
    dialled.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`compute_loss` of its own gives one loss a batch"):
        dialled.fit(X, Y, verbose=0, callbacks=[tnn.callbacks.BatchActivation(target=0.5)])


def test_a_level_is_of_the_class_and_has_its_loss():
    dialled = throttled(smoothed())
    small = tnn.materialize(dialled, 0.5)
    assert isinstance(small, Smoothed) and not isinstance(small, tnn.ThrottledModel)
    assert small.count_params() < dialled.count_params() / 2
    small.compile(loss="mse")
    found = small.evaluate(X, Y, verbose=0, return_dict=True)
    assert found == pytest.approx(
        dialled.evaluate(X, Y, utilization=0.5, verbose=0, return_dict=True), rel=1e-5
    )
    table = tnn.evaluate_levels(dialled, X, Y, LEVELS, verbose=False)
    assert table.rows[1].metrics == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("kind", ["throttled", "level"])
def test_it_is_saved_and_loaded_and_trained_on(kind, tmp_path):
    model = throttled(smoothed())
    model.sureness = 0.8  # as it is when it is saved
    if kind == "level":
        model = tnn.materialize(model, 0.5)
        model.compile("sgd", "mse")
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert isinstance(loaded, Smoothed) and loaded.sureness == 0.8
    assert loaded.evaluate(X, Y, verbose=0, return_dict=True) == pytest.approx(
        model.evaluate(X, Y, verbose=0, return_dict=True)
    )
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    loaded.fit(X, Y, verbose=0)


def test_a_class_that_keras_does_not_know_is_an_error(tmp_path):
    class Local(Smoothed):
        pass

    model = tnn.throttle(network(Local, sureness=1.0, bright=keras.metrics.Mean()), num_groups=4)
    model.save(tmp_path / "net.keras")
    with pytest.raises((TypeError, ValueError), match="Expected 'Local' to be registered"):
        keras.saving.load_model(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras", custom_objects={"Local": Local})
    assert isinstance(loaded, Local)


def test_what_it_holds_without_a_config_cannot_be_saved(tmp_path):
    model = tnn.throttle(network(sureness=object(), bright=None), num_groups=4)
    with pytest.raises(ValueError, match="holds `sureness`, a object without a config"):
        model.save(tmp_path / "net.keras")


def test_a_frozen_teacher_is_held_and_one_in_training_is_an_error(tmp_path):
    teacher = network(keras.Model)
    with pytest.raises(ValueError, match="weights to train beside its graph.*sureness"):
        tnn.throttle(network(sureness=teacher), num_groups=4)
    teacher.trainable = False
    model = tnn.throttle(network(sureness=teacher), num_groups=4)
    assert model.sureness is teacher
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded.sureness(X), teacher(X))


def test_steps_of_its_own_are_an_error():
    own = type("Own", (keras.Model,), {"train_step": lambda self, data: {}})
    with pytest.raises(ValueError, match=r"\(Own\) has a `train_step` of its own"):
        tnn.throttle(network(own), num_groups=4)
    model = network(own)
    tnn.throttle(keras.Model(model.input, model.output), num_groups=4)


@keras.saving.register_keras_serializable(package="test_own_class")
class Mapped(keras.Model):
    """Maps the data that it is given, as the tasks of keras-hub do."""

    def fit(self, x, y, **kwargs):
        return super().fit(self.preprocessor(x["image"]), y, **kwargs)

    def evaluate(self, x, y, **kwargs):
        kwargs.pop("batch_size", None)
        return super().evaluate(self.preprocessor(x["image"]), y, **kwargs)

    def predict(self, x, **kwargs):
        return super().predict(self.preprocessor(x["image"]), **kwargs)


def test_data_that_a_preprocessor_maps_is_left_to_it():
    model = network(Mapped, preprocessor=layers.Rescaling(2.0))
    dialled = tnn.throttle(model, num_groups=4)
    expected = np.array(dialled([2.0 * X, 0.5]))
    found = dialled.predict({"image": X}, utilization=0.5, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    dialled.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    dialled.fit({"image": X}, Y, verbose=0, callbacks=[tnn.callbacks.SandwichRule(LEVELS)])
    assert dialled.evaluate({"image": X}, Y, utilization=0.5, verbose=0) > 0
    with pytest.raises(ValueError, match="Expected one float where a preprocessor maps the data"):
        dialled.predict({"image": X}, utilization=np.ones(8), verbose=0)
