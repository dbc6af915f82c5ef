import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_tnn as tnn
from keras_tnn import layers

SAMPLES = 32


def data(samples=SAMPLES):
    rng = np.random.default_rng(0)
    return rng.random((samples, 8, 8, 3), dtype="float32"), rng.integers(0, 4, samples)


def network(**kwargs):
    model = tnn.models.VGG(
        (8, 8, 3), 4, num_groups=4, filters=((8,), (8,)), dense_units=None, **kwargs
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def as_batches(x, y):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(8)


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 4

    def __getitem__(self, index):
        part = slice(8 * index, 8 * index + 8)
        x = tuple(v[part] for v in self.x) if isinstance(self.x, tuple) else self.x[part]
        return x, self.y[part]


def test_utilization_may_be_left_out_at_inference():
    x, _ = data()
    model = network()
    full = model([x, np.ones(SAMPLES, "float32")])
    for given in (x, [x], [x, None], {"image": x}, [x, 1.0], {"image": x, "utilization": 1.0}):
        np.testing.assert_array_equal(model(given), full)


def test_per_sample_utilization_equals_each_on_its_own():
    x, _ = data(4)
    model = network()
    together = np.array(model([x, np.array([0.25, 0.5, 0.75, 1.0], "float32")]))
    for i, u in enumerate((0.25, 0.5, 0.75, 1.0)):
        alone = np.array(model([x[i : i + 1], u]))[0]
        # Convolutions over batches of other sizes may sum in another order (float32).
        np.testing.assert_allclose(together[i], alone, atol=1e-6)


@pytest.mark.parametrize("kind", ["arrays", "list", "dict", "dataset", "pydataset"])
@pytest.mark.parametrize("supplied", [False, True])
def test_fit_takes_every_kind_of_data(kind, supplied):
    x, y = data()
    u = np.full(SAMPLES, 0.5, "float32")
    both = (x, u) if supplied else x
    made = {
        "arrays": lambda: ([x, u] if supplied else x, y),
        "list": lambda: ([x, u] if supplied else [x], y),
        "dict": lambda: ({"image": x, **({"utilization": u} if supplied else {})}, y),
        "dataset": lambda: (as_batches(both, y), None),
        "pydataset": lambda: (Batches(both, y), None),
    }[kind]()
    arrays = kind in ("arrays", "list", "dict")
    model = network()
    before = model.get_weights()
    history = model.fit(*made, batch_size=8 if arrays else None, shuffle=arrays, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    # At u = 1/2 the last group learns nothing; when u is drawn it does.
    kernel = [w.path for w in model.weights].index("conv2_1/kernel")
    moved = before[kernel][..., 6:] != model.get_weights()[kernel][..., 6:]
    assert moved.any() == (not supplied)


@pytest.mark.parametrize("kind", ["arrays", "dataset", "pydataset"])
def test_evaluate_and_predict_at_a_utilization(kind):
    x, y = data()
    model = network()
    u = np.full(SAMPLES, 0.5, "float32")
    expected = model.evaluate([x, u], y, batch_size=8, verbose=0)
    outputs = model.predict([x, u], verbose=0)
    full = model.predict(x, verbose=0)
    args = {
        "arrays": lambda: (x, y),
        "dataset": lambda: (as_batches(x, y),),
        "pydataset": lambda: (Batches(x, y),),
    }[kind]
    np.testing.assert_allclose(
        model.evaluate(*args(), utilization=0.5, verbose=0), expected, rtol=1e-6
    )
    inputs = args()[0]
    np.testing.assert_allclose(
        model.predict(inputs, utilization=0.5, verbose=0), outputs, rtol=1e-6
    )
    assert np.abs(full - outputs).max() > 1e-4


def test_predict_takes_one_utilization_a_sample():
    x, _ = data(4)
    u = np.array([0.25, 0.5, 0.75, 1.0])
    model = network()
    np.testing.assert_array_equal(
        model.predict(x, utilization=u, verbose=0), model.predict([x, u], verbose=0)
    )


def test_weights_are_those_of_the_vanilla_network():
    model, vanilla = network(), network(throttled=False)
    assert [w.shape for w in model.weights] == [w.shape for w in vanilla.weights]
    vanilla.set_weights(model.get_weights())
    np.testing.assert_array_equal(model(data()[0]), vanilla(data()[0]))


def test_breakpoints_are_where_the_network_changes():
    image, u = keras.Input((6,)), keras.Input((), name="utilization", optional=True)
    x = layers.ThrottleableDense(6, num_groups=2)([image, u])
    x = layers.ThrottleableDense(6, num_groups=3)([x, u])
    model = tnn.ThrottledModel([image, u], x)
    np.testing.assert_allclose(model.breakpoints, [1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4])


def test_saves_and_loads(tmp_path):
    x, y = data()
    model = network()
    model.fit(x, y, verbose=0, callbacks=[tnn.callbacks.SandwichRule()])
    model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    assert isinstance(again, tnn.ThrottledModel)
    np.testing.assert_array_equal(
        again.predict(x, utilization=0.5, verbose=0), model.predict(x, utilization=0.5, verbose=0)
    )
    again.fit(x, y, verbose=0)


@pytest.mark.parametrize("u", [0.0, 1.5, -1.0, float("nan"), "half"])
def test_refuses_invalid_utilization(u):
    x, y = data()
    model = network()
    message = r"Invalid value for `utilization`. Expected a float in \(0, 1\]"
    with pytest.raises(ValueError, match=message):
        model.predict(x, utilization=u, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.evaluate(x, y, utilization=u, verbose=0)
    with pytest.raises(ValueError, match=message):
        model([x, u])
    if not isinstance(u, str):
        with pytest.raises(ValueError, match=message):
            model.fit([x, np.full(SAMPLES, u)], y, verbose=0)


def test_refuses_what_does_not_fit():
    x, _ = data()
    model = network()
    with pytest.raises(ValueError, match="Utilization is given twice"):
        model.predict([x, np.ones(SAMPLES)], utilization=0.5)
    with pytest.raises(ValueError, match=r"Expected a float or shape \(32,\)"):
        model.predict(x, utilization=np.ones(3))
    with pytest.raises(ValueError, match="Expected one float for a dataset"):
        model.predict(as_batches(x, x), utilization=np.ones(SAMPLES))
    with pytest.raises(ValueError, match=r"Missing: \['image'\]"):
        model({"picture": x})
    image = keras.Input((4,))
    with pytest.raises(ValueError, match="Expected one input named 'utilization'"):
        tnn.ThrottledModel(image, keras.layers.Dense(2)(image))


@pytest.mark.parametrize("name", ["net.h5", "net.hdf5"])
def test_a_file_that_could_not_be_loaded_is_not_written(tmp_path, name):
    with pytest.raises(ValueError, match="Expected a name that ends with .keras"):
        network().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
