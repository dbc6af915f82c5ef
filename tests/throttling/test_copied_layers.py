"""What a throttled copy, and a level cut from it, keep of the layers of the model."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn

FEATURES = np.random.default_rng(0).normal(size=(4, 5, 8)).astype("float32")


def cube(x):
    return ops.relu(x) ** 3


class Decay(keras.regularizers.Regularizer):
    def __call__(self, weights):
        return 1e-3 * ops.sum(weights**2)

    def get_config(self):
        return {}


class Scaled(layers.Dense):
    """A layer that nobody registered."""


def small(*middle, shape=(5, 8)):
    x = features = keras.Input(shape)
    for layer in middle:
        x = layer(x)
    x = layers.Dense(16, activation="relu")(x)
    return keras.Model(features, layers.Dense(2)(layers.Dense(16, activation="relu")(x)))


def check_is_the_model(model, x):
    """At u = 1 the copy is the model, and the level is the copy below."""
    dialled = tnn.throttle(model, num_groups=4)
    np.testing.assert_allclose(dialled(x), model(x), rtol=1e-5, atol=1e-6)
    half = dialled([ops.convert_to_tensor(x), ops.full((len(x),), 0.5)])
    level = tnn.materialize(dialled, 0.5)
    np.testing.assert_allclose(level(x), half, rtol=1e-4, atol=1e-5)
    return dialled, level


def saved(model, folder):
    """The model, written and read; functions that are not registered are given by name."""
    file = folder / "net.keras"
    model.save(file)
    given = {"cube": cube, "Scaled": Scaled, "Decay": Decay}
    return keras.saving.load_model(file, custom_objects=given, safe_mode=False)


def check_every_form(model, x, folder):
    """Throttled, cut, or skipping by gates that read the data: each the same once it was saved."""
    dialled, level = check_is_the_model(model, x)
    half = level(x)
    again = saved(dialled, folder)
    np.testing.assert_allclose(again(x), model(x), rtol=1e-5, atol=1e-6)
    for copy in (saved(level, folder), tnn.materialize(again, 0.5)):
        np.testing.assert_allclose(copy(x), half, rtol=1e-5, atol=1e-6)
    learned = tnn.throttle(model, num_groups=4, gate=tnn.gates.DataDependent)
    with learned.gating(tnn.gates.Threshold(0.5)):
        masked = learned([ops.convert_to_tensor(x), ops.ones((len(x),))])
    skipping = tnn.surgery.conditional(learned)
    again = tnn.surgery.conditional(saved(learned, folder))
    for copy in (skipping, saved(skipping, folder), again):
        np.testing.assert_allclose(copy(x), masked, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:No rule is known for the layers:UserWarning")
@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Dense(16, activation=cube),
        lambda: layers.Dense(16, activation=lambda x: ops.relu(x) ** 2),
        lambda: layers.TimeDistributed(Scaled(16, activation=lambda x: ops.relu(x) ** 2)),
        lambda: layers.RNN(layers.LSTMCell(4, activation=cube), return_sequences=True),
        lambda: layers.Lambda(lambda x: x * 2),
    ],
)
def test_functions_are_the_very_same(layer):
    check_is_the_model(small(layer()), FEATURES)


@keras.saving.register_keras_serializable("tests")
def registered(x):
    return ops.relu(x) ** 2


@pytest.mark.filterwarnings("ignore:No rule is known for the layers:UserWarning")
# In front of a TimeDistributed layer a gate that reads the data multiplies by zero, and says so.
@pytest.mark.filterwarnings("ignore:What the layers:UserWarning")
@pytest.mark.parametrize("function", [registered, cube])
@pytest.mark.parametrize(
    "kind",
    [
        lambda function: layers.Dense(16, activation=function),
        lambda function: layers.Activation(function),
        lambda function: Scaled(16, activation=function),
        lambda function: layers.TimeDistributed(layers.Dense(16, activation=function)),
    ],
)
def test_functions_of_ones_own_are_saved(kind, function, tmp_path):
    check_every_form(small(layers.Dense(16), kind(function)), FEATURES, tmp_path)


def test_functions_that_cannot_be_saved_are_an_error():
    class Times:
        def __call__(self, x):
            return 2 * x

    with pytest.raises(ValueError, match="arguments that Keras can save. Received: Cannot serial"):
        tnn.throttle(small(layers.Dense(16, activation=Times())), num_groups=4)


def test_objects_of_ones_own_need_no_registration():
    penalty, limit = Decay(), keras.constraints.NonNeg()
    layer = layers.Dense(16, kernel_regularizer=penalty, kernel_constraint=limit, name="mine")
    for copy in check_is_the_model(small(layer), FEATURES):
        assert copy.get_layer("mine").kernel_regularizer is penalty
        assert copy.get_layer("mine").kernel_constraint is limit


def adapted(layer, data):
    layer.adapt(np.array(data))
    return layer


LETTERS, NUMBERS = [["a"], ["c"], ["zz"]], [[10], [30], [7]]
STATEFUL = {
    "numbers": (lambda: adapted(layers.IntegerLookup(output_mode="one_hot"), [10, 20]), NUMBERS),
    "given_numbers": (lambda: layers.IntegerLookup(vocabulary=[10], output_mode="count"), NUMBERS),
    "words": (lambda: adapted(layers.StringLookup(output_mode="one_hot"), ["a", "b"]), LETTERS),
    "given_words": (lambda: layers.StringLookup(vocabulary=["a", "c"]), LETTERS),
    "text": (lambda: adapted(layers.TextVectorization(), ["a b", "b c d"]), [["a b c"], ["c zz"]]),
    "hashed_words": (lambda: layers.Hashing(5, output_mode="one_hot", salt=3), LETTERS),
    "hashed_numbers": (lambda: layers.Hashing(5), NUMBERS),
    "bins": (
        lambda: adapted(layers.Discretization(num_bins=3, output_mode="one_hot"), [1.0, 2.0, 3.0]),
        [[0.5], [3.3], [9.0]],
    ),
    "scales": (lambda: adapted(layers.Normalization(), [[1.0], [5.0]]), [[0.5], [3.3], [9.0]]),
}


@pytest.mark.parametrize("kind", STATEFUL)
def test_what_was_adapted_or_given_stays(kind, tmp_path):
    make, x = STATEFUL[kind]
    layer, x = make(), ops.convert_to_tensor(x)
    features = keras.Input((1,), dtype=x.dtype)
    found = layer(features)
    if "int" in found.dtype:
        found = layers.GlobalAveragePooling1D()(layers.Embedding(8, 8, mask_zero=True)(found + 1))
    hidden = layers.Dense(16, activation="relu")(layers.Dense(16)(found))
    hidden = layers.Dense(16, activation="relu")(hidden)
    check_every_form(keras.Model(features, layers.Dense(2)(hidden)), x, tmp_path)


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_lora_goes_on_in_the_copy_and_is_merged_in_the_level(kind, tmp_path):
    if kind == "dense":
        one, two = (layers.Dense(16, activation="relu", name=name) for name in ("a", "b"))
    else:
        one, two = (layers.Conv1D(16, 3, padding="same", name=name) for name in ("a", "b"))
    features = keras.Input((5, 8))
    model = keras.Model(features, layers.Dense(2)(two(one(features))))
    for layer in (one, two):
        layer.enable_lora(2)
        factor = layer.lora_kernel_b
        factor.assign(np.random.default_rng(1).normal(size=factor.shape))
    check_every_form(model, FEATURES, tmp_path)
    dialled, level = check_is_the_model(model, FEATURES)
    trained = {weight.name for weight in dialled.get_layer("a").trainable_weights}
    assert trained == {"bias", "lora_kernel_a", "lora_kernel_b"}
    assert [weight.name for weight in level.get_layer("a").weights] == ["kernel", "bias"]
    kernel = tnn.surgery.cut_out(dialled, 0.5).slices[0]
    assert kernel.origin == "a/kernel"
    merged = np.asarray(dialled.get_layer("a").kernel)
    np.testing.assert_array_equal(kernel.target, merged[np.ix_(*kernel.kept)])


def test_frozen_layers_and_weights_stay_frozen():
    layer = layers.Dense(16, name="frozen")
    half = layers.Dense(16, name="half")
    model = small(layer, half)
    layer.trainable = False
    half.bias.trainable = False
    dialled = tnn.throttle(model, num_groups=4)
    assert not dialled.get_layer("frozen").trainable
    assert [w.name for w in dialled.get_layer("half").trainable_weights] == ["kernel"]


def test_what_has_no_variables_is_shared():
    flatten = layers.Flatten()
    dialled = tnn.throttle(small(flatten), num_groups=4)
    assert any(layer is flatten for layer in dialled.layers)


def test_quantized_layers_are_an_error():
    model = small(layers.Dense(16, name="ints"))
    model.get_layer("ints").quantize("int8")
    with pytest.raises(ValueError, match="Layer 'ints' is quantized"):
        tnn.throttle(model, num_groups=4)


def test_a_layer_that_says_nothing_of_its_arguments_is_an_error():
    class Secret(layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def build(self, shape):
            self.scale = self.add_weight(shape=shape[-1:], initializer="ones")

        def call(self, x):
            return x * self.scale.value  # so it is not opened

    with pytest.raises(ValueError, match="cannot be copied. Expected a class"):
        tnn.throttle(small(Secret(object())), num_groups=4)
