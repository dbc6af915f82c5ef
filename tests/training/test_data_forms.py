"""Data of every form is read as Keras reads it, with a utilization as without."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_tnn as tnn

X = np.random.default_rng(0).random((8, 4), dtype="float32")
Y = np.arange(8) % 3


class Data(keras.utils.PyDataset):
    """Two batches in a form of the test's choice; counts what is read."""

    def __init__(self, form, batches=2):
        super().__init__()
        self.form, self.batches, self.read = form, batches, 0

    @property
    def num_batches(self):
        return self.batches

    def __getitem__(self, index):
        self.read += 1
        return self.form(X, Y)


def network():
    row = keras.Input((4,))
    x = layers.Dense(8, activation="relu")(layers.Dense(8, activation="relu")(row))
    model = tnn.throttle(keras.Model(row, layers.Dense(3, activation="softmax")(x)), num_groups=4)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


FORMS = {
    "array": lambda x, y: x,
    "tuple": lambda x, y: (x, y),
    "list": lambda x, y: [x, y],
    "weighted": lambda x, y: (x, y, np.ones(8)),
    "only x": lambda x, y: (x,),
}


@pytest.mark.parametrize("form", FORMS)
def test_predicts_from_a_dataset_of_any_form(form):
    model = network()
    data = Data(FORMS[form])
    model.predict(data, verbose=0)
    without, data.read = data.read, 0
    found = model.predict(data, utilization=0.5, verbose=0)
    assert data.read == without  # each batch as often as without a utilization
    expected = model.predict(X, utilization=0.5, verbose=0)
    np.testing.assert_array_equal(found, np.concatenate([expected, expected]))


@pytest.mark.parametrize("form", ["tuple", "list", "weighted"])
def test_evaluates_a_dataset_of_any_form(form):
    model = network()
    expected = model.evaluate(X, Y, utilization=0.5, verbose=0)
    found = model.evaluate(Data(FORMS[form]), utilization=0.5, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_evaluates_an_endless_dataset():
    endless = Data(FORMS["tuple"], batches=None)
    model = network()
    found = model.evaluate(endless, steps=3, utilization=0.5, verbose=0)
    np.testing.assert_allclose(found, model.evaluate(X, Y, utilization=0.5, verbose=0), rtol=1e-6)


@pytest.mark.parametrize(
    "data",
    [
        lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(4),
        lambda: ((X, Y) for _ in itertools.count()),
    ],
    ids=["tf.data", "generator"],
)
def test_evaluates_what_yields_batches(data):
    model = network()
    expected = model.evaluate(X, Y, utilization=0.5, verbose=0)
    found = model.evaluate(data(), steps=2, utilization=0.5, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_labels_belong_to_the_samples_of_the_same_draw():
    rng = np.random.default_rng(0)

    def drawn(x, y):
        y = rng.integers(0, 2, 16)
        return np.eye(2, dtype="float32")[y], y

    row = keras.Input((2,))
    x = layers.Dense(8, kernel_initializer="identity", use_bias=False)(row)
    head = layers.Dense(2, kernel_initializer="identity", use_bias=False)
    model = tnn.throttle(keras.Model(row, head(x)), num_groups=2)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    found = model.evaluate(Data(drawn, 4), utilization=1.0, verbose=0, return_dict=True)
    assert found["accuracy"] == 1.0


@pytest.mark.parametrize("given", [True, False])
def test_a_utilization_in_the_data_and_one_beside_it_are_refused(given):
    model, u = network(), np.full(8, 0.5, "float32")
    data = tf.data.Dataset.from_tensor_slices(((X, u), Y)).batch(4) if given else [X, u]
    with pytest.raises(ValueError, match="Utilization is given twice"):
        model.evaluate(data, None if given else Y, utilization=0.5, verbose=0)
    with pytest.raises(ValueError, match="Utilization is given twice"):
        model.predict(Data(lambda x, y: ((x, u), y)), utilization=0.5, verbose=0)


class Stops(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "rule", [tnn.callbacks.SandwichRule(), tnn.callbacks.FixedUtilization(0.5)], ids=["many", "one"]
)
def test_a_fit_that_is_broken_off_leaves_no_regime(rule):
    model = network()
    regime = model.regime
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0, callbacks=[rule, Stops()])
    assert model.regime is regime and model.dial.values == [0.0, 1.0]
    assert np.array(model.dial.state).tolist() == [0.0, 1.0]
    model.fit(X, Y, verbose=0)


def test_an_evaluation_that_is_broken_off_leaves_no_level():
    model = network()
    with pytest.raises(ValueError):
        model.evaluate(X[:, :2], Y, utilization=0.5, verbose=0)
    np.testing.assert_array_equal(model.predict(X, verbose=0), model.predict(X, utilization=1.0))
