"""At learning rate 0 and u = 1, a step of every regime has the loss of the plain network's."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn
from keras_tnn import callbacks

RNG = np.random.default_rng(0)
IMAGES = RNG.random((16, 8, 8, 3), dtype="float32")
ROWS = RNG.normal(5, 2, (16, 6)).astype("float32")
CLASSES = np.arange(16) % 4
NUMBERS = RNG.random((16, 1), dtype="float32")
SPARSE = "sparse_categorical_crossentropy"


class AddsLoss(layers.Layer):
    def call(self, x):
        self.add_loss(3.0 * keras.ops.mean(keras.ops.square(x)))
        return x

    def compute_output_shape(self, shape):
        return shape


tnn.surgery.rule(AddsLoss)(tnn.surgery.PerChannel)


def hidden(x, **first):
    return layers.Dense(16, activation="relu")(layers.Dense(16, activation="relu", **first)(x))


def of_rows(head=None, **first):
    row = keras.Input((6,))
    return keras.Model(row, (head or layers.Dense(1))(hidden(row, **first)))


def of_images(*before, classes=4, **first):
    image = keras.Input((8, 8, 3))
    x = image
    for layer in before:
        x = layer(x)
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, name="first", **first)(x))
    x = layers.Conv2D(8, 3, activation="relu")(layers.ReLU()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(classes, activation="softmax")(x))


def regularized():
    return of_rows(kernel_regularizer=keras.regularizers.L2(0.1), bias_regularizer="l1"), "mse"


def active():
    return of_rows(activity_regularizer=keras.regularizers.L2(1.0)), "mse"


def added():
    row = keras.Input((6,))
    x = AddsLoss()(layers.Dense(16)(AddsLoss()(hidden(row))))
    return keras.Model(row, layers.Dense(1)(x)), "mse"


def frozen():
    network = of_images()
    network.get_layer("first").trainable = False
    return network, SPARSE


def frozen_norm():
    network = of_images()
    norm = next(x for x in network.layers if isinstance(x, layers.BatchNormalization))
    norm.moving_mean.assign(np.full(8, 0.5))
    norm.trainable = False
    return network, SPARSE


def adapted():
    normalization = layers.Normalization()
    normalization.adapt(ROWS)
    row = keras.Input((6,))
    return keras.Model(row, layers.Dense(1)(hidden(normalization(row)))), "mse"


def lora():
    network = of_rows()
    network.layers[1].enable_lora(2)
    network.layers[1].lora_kernel_b.assign(RNG.normal(size=(2, 16)))
    return network, "mse"


def augmented():
    return of_images(
        layers.RandomFlip(seed=1), layers.Rescaling(2.0), layers.RandomZoom(0.2, seed=2)
    ), SPARSE


def dropped():
    row = keras.Input((6,))
    x = layers.Dropout(0.5, seed=3)(hidden(row))
    return keras.Model(row, layers.Dense(1)(layers.Dense(16)(x))), "mse"


def half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = of_images()
    finally:
        keras.config.set_dtype_policy("float32")
    return network, SPARSE


def several_outputs():
    row = keras.Input((6,))
    x = hidden(row)
    heads = [layers.Dense(4, "softmax", name="kind")(x), layers.Dense(1, name="size")(x)]
    return keras.Model(row, heads), [SPARSE, "mse"]


def several_losses_by_name():
    network, _ = several_outputs()
    return network, {"kind": SPARSE, "size": keras.losses.Huber()}


def output_dictionary():
    row = keras.Input((6,))
    x = hidden(row)
    heads = {"kind": layers.Dense(4, "softmax", name="a")(x), "size": layers.Dense(1, name="b")(x)}
    return keras.Model(row, heads), {"kind": SPARSE, "size": "mse"}


def input_dictionary():
    first, second = keras.Input((6,), name="class"), keras.Input((6,), name="self")
    x = hidden(layers.Concatenate()([first, second]))
    return keras.Model({"class": first, "self": second}, layers.Dense(1)(x)), "mse"


def nested_inputs():
    tensors = [keras.Input((6,)) for _ in range(3)]
    x = hidden(layers.Concatenate()(tensors))
    return keras.Model([[tensors[0], tensors[1]], tensors[2]], layers.Dense(1)(x)), "mse"


NETWORKS = {
    one.__name__: one
    for one in (regularized, active, added, frozen, frozen_norm, adapted, lora, augmented, dropped)
    + (half_precision, several_outputs, several_losses_by_name, output_dictionary)
    + (input_dictionary, nested_inputs)
}
INPUTS = {
    input_dictionary: {"class": ROWS, "self": ROWS[::-1]},
    nested_inputs: [[ROWS, ROWS[::-1]], -ROWS],
}
LABELS = {
    several_outputs: [CLASSES, NUMBERS],
    several_losses_by_name: [CLASSES, NUMBERS],
    output_dictionary: {"kind": CLASSES, "size": NUMBERS},
}
REGIMES = {
    "per sample": lambda: callbacks.FixedUtilization(1.0),
    "per batch": lambda: callbacks.DiscreteUtilization((1.0,), per="batch"),
    "sandwich": lambda: callbacks.SandwichRule((1.0,)),
    "distilled": lambda: callbacks.SandwichRule((1.0,), distillation=True),
}


def data(make):
    images = make in (augmented, half_precision, frozen, frozen_norm)
    x = INPUTS.get(make, IMAGES if images else ROWS)
    return x, LABELS.get(make, CLASSES if images else NUMBERS)


def loss_of_a_step(network, loss, x, y, regime=None, **fit):
    network.compile(keras.optimizers.SGD(0.0), loss, **fit.pop("compile", {}))
    history = network.fit(
        x, y, batch_size=16, shuffle=False, verbose=0, callbacks=[regime] if regime else [], **fit
    )
    return history.history["loss"][0]


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_is_the_plain_networks(name, regime):
    network, loss = NETWORKS[name]()
    x, y = data(NETWORKS[name])
    throttled = tnn.throttle(network, num_groups=4)
    expected = loss_of_a_step(network, loss, x, y)
    # float16 rounds a loss of about 1 by 5e-4.
    tolerance = 2e-3 if name == "half_precision" else 1e-5
    found = loss_of_a_step(throttled, loss, x, y, REGIMES[regime]())
    assert found == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("weights", ["sample", "class", "loss"])
def test_weights_count_as_in_the_plain_network(weights, regime):
    more = {
        "sample": {"sample_weight": np.linspace(0, 2, 16)},
        "class": {"class_weight": {0: 1.0, 1: 5.0, 2: 0.0, 3: 2.0}},
        "loss": {"compile": {"loss_weights": 3.0}},
    }[weights]
    network = of_images()
    throttled = tnn.throttle(network, num_groups=4)
    expected = loss_of_a_step(network, SPARSE, IMAGES, CLASSES, **more)
    found = loss_of_a_step(throttled, SPARSE, IMAGES, CLASSES, REGIMES[regime](), **more)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("distillation", [False, True])
def test_regularizers_count_once_and_added_losses_by_level(distillation):
    row = keras.Input((6,))
    first = layers.Dense(16, kernel_regularizer=keras.regularizers.L2(1.0))
    x = AddsLoss()(layers.Dense(16, use_bias=False)(first(row)))
    network = keras.Model(row, layers.Dense(1, use_bias=False)(x))
    for layer in network.layers[2:]:
        for weight in layer.trainable_weights:
            weight.assign(keras.ops.ones_like(weight))
    model = tnn.throttle(network, num_groups=2)
    rule = callbacks.SandwichRule((0.5, 1.0), distillation=distillation)
    found = loss_of_a_step(model, "mse", ROWS, NUMBERS, rule)
    full, half = (model.predict(ROWS, utilization=u, verbose=0) for u in (1.0, 0.5))
    task = np.mean((full - NUMBERS) ** 2)
    other = np.mean((half - (full if distillation else NUMBERS)) ** 2)
    added = []
    for level in (network, tnn.materialize(model, 0.5)):
        kernel, bias, second, _ = level.get_weights()
        added.append(3.0 * np.mean(np.square((ROWS @ kernel + bias) @ second)))
    regularizer = float(np.sum(np.square(first.kernel)))
    assert found == pytest.approx((task + other + sum(added)) / 2 + regularizer, rel=1e-4)
