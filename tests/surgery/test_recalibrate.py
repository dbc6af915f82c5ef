import keras
import numpy as np
import pytest

import keras_tnn as tnn


def network():
    return tnn.models.VGG((8, 8, 3), 4, num_groups=4, filters=((8,), (8,)), dense_units=None)


def images(count=100):
    return np.random.default_rng(0).normal(2.0, 3.0, (count, 8, 8, 3)).astype("float32")


def test_statistics_are_those_of_the_data():
    x = images()
    small = tnn.materialize(network(), 0.5, calibration_data=x)
    first = keras.Model(small.input, small.get_layer("conv1_1").output).predict(x, verbose=0)
    norm = small.get_layer("conv1_1_norm")
    # float32 sums over 6400 values
    np.testing.assert_allclose(norm.moving_mean, first.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, first.var((0, 1, 2)), rtol=1e-4)


def test_batches_together_give_the_statistics_of_all():
    x = images()
    whole = tnn.surgery.recalibrate(tnn.materialize(network(), 0.5), x, batch_size=100)
    model = tnn.materialize(network(), 0.5)
    model.set_weights(whole.get_weights())
    tnn.surgery.recalibrate(model, x, batch_size=30)  # 30, 30, 30 and 10
    first = [m.get_layer("conv1_1_norm").moving_variance.numpy() for m in (whole, model)]
    np.testing.assert_allclose(*first, rtol=1e-4)  # the first norm sees the same inputs


def test_every_kind_of_data_gives_the_same():
    import tensorflow as tf

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return x[50 * index : 50 * index + 50], np.zeros(50)

    x = images()
    labelled = tf.data.Dataset.from_tensor_slices((x, np.zeros(100))).batch(50)
    model = tnn.materialize(network(), 0.5)
    results = []
    for data in (labelled, labelled.map(lambda image, label: image), Batches(workers=1)):
        tnn.surgery.recalibrate(model, data)
        results.append(model.get_weights())
    tnn.surgery.recalibrate(model, x, batch_size=50)
    for weights in results:
        for one, reference in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, reference)


def test_frozen_layers_get_statistics_of_their_own_inputs():
    x, model = images(), tnn.materialize(network(), 0.5)
    frozen = keras.models.clone_model(model)
    frozen.set_weights(model.get_weights())
    for layer in frozen.layers:
        layer.trainable = False
    results = [tnn.surgery.recalibrate(one, x).get_weights() for one in (model, frozen)]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any(layer.trainable for layer in frozen.layers) and model.trainable_weights


def test_dropout_stays_off():
    inputs = keras.Input((4,))
    outputs = keras.layers.BatchNormalization(name="n")(keras.layers.Dropout(0.9)(inputs))
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).normal(5, 1, (200, 4)).astype("float32")
    tnn.surgery.recalibrate(model, x)
    np.testing.assert_allclose(model.get_layer("n").moving_variance, x.var(0), rtol=1e-4)


def test_refuses_no_data():
    with pytest.raises(ValueError, match="Expected samples. Received none"):
        tnn.materialize(network(), 0.5, calibration_data=np.zeros((0, 8, 8, 3), "float32"))


@keras.saving.register_keras_serializable("tests")
class Normalised(keras.layers.Layer):
    """A layer around a normalisation."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(name="inside")

    def build(self, input_shape):
        self.norm.build(input_shape)

    def call(self, x):
        return self.norm(x)


@keras.saving.register_keras_serializable("tests")
class NormalisedInALoop(Normalised):
    """As above, sample by sample, on tensors that have no values."""

    def call(self, x):
        return keras.ops.vectorized_map(lambda one: self.norm(one[None])[0], x)


def norm_inside(layer, shape):
    """A network with a normalisation inside another layer, and what that layer reads."""
    image = keras.Input(shape)
    x = keras.layers.Dense(8, name="before")(image)
    return keras.Model(image, keras.layers.Flatten()(layer(x)))


@pytest.mark.parametrize(
    "layer",
    [
        Normalised(),
        keras.layers.TimeDistributed(keras.layers.BatchNormalization(name="inside")),
        keras.Sequential([keras.layers.BatchNormalization(name="inside")]),
    ],
)
def test_statistics_inside_a_layer_are_those_of_the_data(layer):
    model, x = norm_inside(layer, (5, 3)), images()[:, 0, :5]
    tnn.surgery.recalibrate(model, x, batch_size=30)
    read = keras.Model(model.input, model.get_layer("before").output).predict(x, verbose=0)
    inside = next(one for one in tnn.surgery.composite.layers_held(layer) if one.name == "inside")
    # float32 sums over 500 values
    np.testing.assert_allclose(inside.moving_mean, read.mean((0, 1)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(inside.moving_variance, read.var((0, 1)), rtol=1e-4)


def test_statistics_that_are_not_seen_are_named():
    model = norm_inside(NormalisedInALoop(), (5, 3))
    with pytest.warns(UserWarning, match=r"batch normalisations \['inside'\] keep"):
        tnn.surgery.recalibrate(model, images()[:, 0, :5])
