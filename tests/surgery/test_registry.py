"""Who has part in the rule of a kind: classes of Keras, and subclasses that compute as they do."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_tnn as tnn
from keras_tnn.cost import count_macs, energy, layer_costs


class Named(layers.Conv2D):
    """Changes nothing that is computed."""

    def __init__(self, filters, kernel_size, **options):
        super().__init__(filters, kernel_size, **options)

    def get_config(self):
        return super().get_config()

    def describe(self):
        return self.title

    @property
    def title(self):
        return "a convolution"


class ByOperation(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel / ops.sqrt(ops.mean(kernel**2)))


class ByKernel(layers.Conv2D):
    @property
    def kernel(self):
        return super().kernel - ops.mean(super().kernel)


class ByCall(layers.Conv2D):
    def call(self, inputs):
        return super().call(inputs)[..., ::-1]


class Centred:
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel - ops.mean(kernel))


class ByMixin(Centred, layers.Conv2D):
    pass


class ByGrandparent(ByOperation):
    pass


class ByAttribute(layers.Conv2D):
    """By a property in front of what the parent's `__init__` sets."""

    @property
    def activation(self):
        return ops.softmax

    @activation.setter
    def activation(self, given):
        self.given = given


CHANGED = [ByAttribute, ByOperation, ByKernel, ByCall, ByMixin, ByGrandparent]


def between_convolutions(layer, **options):
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(8, 3, name="before")(image)
    x = layers.Conv2D(8, 1, name="after")(layer(8, 1, name="layer", **options)(x))
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, x)


def test_a_subclass_that_computes_the_same_is_cut_as_its_parent():
    model = tnn.throttle(between_convolutions(Named), num_groups=4, strict=True)
    assert tnn.materialize(model, 0.5).get_layer("layer").filters == 4


@pytest.mark.parametrize("layer", CHANGED)
def test_a_subclass_that_computes_otherwise_is_named_and_kept_whole(layer):
    plain = between_convolutions(layer)
    with pytest.warns(UserWarning, match=rf"layers 'layer' \({layer.__name__}\)"):
        model = tnn.throttle(plain, num_groups=4)
    with pytest.raises(ValueError, match=rf"'layer' \({layer.__name__}\).* leave out strict"):
        tnn.throttle(plain, num_groups=4, strict=True)
    small = tnn.materialize(model, 0.5)
    assert [small.get_layer(name).filters for name in ("before", "layer", "after")] == [8, 8, 4]
    x = np.random.default_rng(0).random((2, 6, 6, 3), "float32")
    masked = model([x, np.array([0.5, 0.5], "float32")])
    np.testing.assert_allclose(small(x), masked, rtol=1e-4, atol=1e-6)  # sums in another order


class BySecret(layers.Conv2D):
    """Nobody can look inside: a tensor without values has none to convert."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, ops.convert_to_numpy(kernel) / 2)


def test_its_macs_are_those_of_the_operations_inside():
    count = count_macs(between_convolutions(ByOperation))
    assert count == count_macs(between_convolutions(layers.Conv2D))


def test_its_macs_are_those_of_its_parent_with_a_warning_if_nobody_can_look_inside():
    with pytest.warns(UserWarning, match="'layer' .* that it changes: convolution_op"):
        count = count_macs(between_convolutions(BySecret))
    assert count == count_macs(between_convolutions(layers.Conv2D))


def test_a_frozen_layer_of_unknown_kind_is_not_counted_as_zero():
    class Mixes(layers.Layer):
        def build(self, shape):
            self.matrix = self.add_weight(shape=(shape[-1], 4), name="matrix")

        def call(self, x):
            return x @ self.matrix

    image = keras.Input((3,))
    model = keras.Model(image, Mixes(trainable=False, name="mixes")(image))
    assert count_macs(model) == 3 * 4


def test_what_holds_layers_is_named():
    inner = keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(8, 3), layers.Flatten()])
    clip = keras.Input((4, 6, 6, 3))
    x = layers.LSTM(4)(layers.TimeDistributed(inner, name="steps")(clip))
    plain = keras.Model(clip, layers.Dense(3)(layers.Dense(8, "relu")(x)))
    with pytest.warns(UserWarning, match=r"'steps' \(TimeDistributed\)"):
        tnn.throttle(plain, num_groups=4)
    with pytest.raises(ValueError, match=r"'steps' \(TimeDistributed\)"):
        tnn.throttle(plain, num_groups=4, strict=True)


@pytest.mark.parametrize(
    "layer", [layers.RandomFlip(), layers.RandomZoom(0.1), layers.Dropout(0.5)]
)
def test_what_does_nothing_at_inference_takes_no_energy(layer):
    image = keras.Input((8, 8, 3))
    convolution = layers.Conv2D(4, 3)
    with_layer = keras.Model(image, convolution(layer(image)))
    assert energy(with_layer) == energy(keras.Model(image, convolution(image)))


def test_augmentation_sees_the_colours_it_needs():
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(3, 1, name="colours")(image)
    x = layers.Flatten()(layers.RandomColorDegeneration(0.3)(x))
    plain = keras.Model(image, layers.Dense(3)(layers.Dense(8)(x)))
    small = tnn.materialize(tnn.throttle(plain, num_groups=3), 0.4)
    assert small.get_layer("colours").filters == 3


@pytest.mark.parametrize("softmax", [layers.Softmax(), layers.Activation("softmax"), ops.softmax])
def test_every_softmax_moves_what_it_reads_and_writes(softmax):
    image = keras.Input((6, 6, 3))
    (cost,) = layer_costs(keras.Model(image, softmax(image)))
    assert cost.moved_bytes == 4 * 2 * 6 * 6 * 3
