"""A throttled model is the model at u = 1, masks included, or an error says why not."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn

TOKENS = np.random.default_rng(0).integers(1, 20, (4, 10)).astype("int32")
TOKENS[:, 6:] = 0  # padding


def embedded():
    tokens = keras.Input((10,), dtype="int32")
    x = layers.Dense(16, activation="relu")(layers.Embedding(20, 16, mask_zero=True)(tokens))
    return tokens, layers.Dense(16)(x)


HEADS = {
    "attention": lambda x: layers.Dense(2)(layers.Attention()([x, x])),
    "heads": lambda x: layers.Dense(2)(layers.MultiHeadAttention(2, 8)(x, x)),
    "pooling": lambda x: layers.Dense(2)(layers.GlobalAveragePooling1D()(x)),
    "recurrent": lambda x: layers.Dense(2)(layers.GRU(8)(x)),
    "sequence": lambda x: layers.Dense(2)(x),
    "normalized": lambda x: layers.Dense(2)(
        layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    ),
    "residual": lambda x: layers.Dense(2)(
        layers.GlobalAveragePooling1D()(layers.Add()([x, layers.Dense(16)(x)]))
    ),
}


@pytest.mark.parametrize("head", HEADS)
def test_masks_pass_gates(head):
    tokens, x = embedded()
    network = keras.Model(tokens, HEADS[head](x))
    model = tnn.throttle(network, num_groups=4)
    expected = network.predict(TOKENS, verbose=0)
    np.testing.assert_allclose(model.predict(TOKENS, verbose=0), expected, atol=1e-6)
    for one in (network, model):
        one.compile("sgd", "mse")
    labels = np.ones_like(expected)
    assert model.evaluate(TOKENS, labels, verbose=0) == pytest.approx(
        network.evaluate(TOKENS, labels, verbose=0), rel=1e-5
    )
    cut = tnn.materialize(model, 0.5)
    masked = model.predict(TOKENS, utilization=0.5, verbose=0)
    np.testing.assert_allclose(cut.predict(TOKENS, verbose=0), masked, atol=1e-5)


class Counts(layers.Layer):
    """What it gives depends on how often it was called: no rule can foresee that."""

    def __init__(self, calls=0, **kwargs):
        super().__init__(**kwargs)
        self.calls = calls

    def build(self, shape):
        self.scale = self.add_weight(shape=(1,), initializer="ones")
        self.built = True

    def call(self, x):
        return x * self.scale if self.calls else x * 2.0 * self.scale

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "calls": 1}  # a copy is another one


tnn.surgery.rule(Counts)(type("CountsRule", (tnn.surgery.Rule,), {}))


def test_a_copy_that_is_not_the_model_is_an_error():
    row = keras.Input((4,))
    x = layers.Dense(8)(layers.Dense(8)(row))
    network = keras.Model(row, Counts(name="counts")(layers.Dense(2)(x)))
    with pytest.raises(ValueError, match="is not the model at u = 1"):
        tnn.throttle(network, num_groups=4)
    tnn.throttle(network, num_groups=4, check=False)


def test_a_shared_normalization_has_the_statistics_of_all_its_calls():
    rng = np.random.default_rng(0)
    first, second = keras.Input((4, 3)), keras.Input((8, 3))
    norm = layers.BatchNormalization()
    model = keras.Model([first, second], [norm(first), norm(second)])
    data = [rng.normal(0, 1, (64, 4, 3)), rng.normal(5, 2, (64, 8, 3))]
    tnn.surgery.recalibrate(model, [one.astype("float32") for one in data], batch_size=16)
    every = np.concatenate([one.reshape(-1, 3) for one in data])
    np.testing.assert_allclose(norm.moving_mean, every.mean(0), rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, every.var(0), rtol=1e-4)
