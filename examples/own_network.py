"""A network of your own: throttleable layers and a gated residual branch in a functional model.

python examples/own_network.py
"""

import keras
import numpy as np
from keras import layers

import keras_tnn as tnn


def build() -> tnn.ThrottledModel:
    """A small network, gated widthwise (channels) and depthwise (a whole branch)."""
    image = keras.Input((28, 28, 1), name="image")
    u = keras.Input((), name="utilization", optional=True)

    # Without a normalisation behind it, a convolution carries its gate itself.
    x = tnn.layers.ThrottleableConv2D(
        32, 3, strides=2, padding="same", activation="relu", num_groups=8
    )([image, u])

    # With one, the gate comes last: zeros before a normalisation would be constants after it.
    branch = layers.Conv2D(32, 3, padding="same", use_bias=False)(x)
    branch = layers.Activation("relu")(layers.BatchNormalization()(branch))
    branch = tnn.layers.ResidualGate()([branch, u])  # the whole branch opens at u = 0.5
    x = tnn.layers.ChannelGate(num_groups=8)([layers.Add()([x, branch]), u])

    x = layers.GlobalAveragePooling2D()(x)
    x = tnn.layers.ThrottleableDense(64, activation="relu", num_groups=8)([x, u])
    return tnn.ThrottledModel([image, u], layers.Dense(10, activation="softmax")(x))


def main(samples: int = 512):
    x = np.random.default_rng(0).random((samples, 28, 28, 1), dtype="float32")
    y = np.arange(samples) % 10
    model = build()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=2, callbacks=[tnn.callbacks.SandwichRule((0.25, 0.5, 1.0))])
    print(tnn.evaluate_levels(model, x, y, (0.25, 0.5, 1.0), calibration_data=x))


if __name__ == "__main__":
    main()
