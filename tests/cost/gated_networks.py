"""Small networks with gates of their own for every layer and block, built by hand."""

import functools

import keras
import numpy as np
from keras import layers

import keras_tnn as tnn
from keras_tnn.layers import ChannelGate, GroupedSum, ResidualGate, ThrottleableConv2D

IMAGE = (8, 8, 3)


class Gates:
    """Makes gates as nodes on one utilization input, each with a name of its own."""

    def __init__(self):
        self.utilization = keras.Input((), name="utilization", optional=True)
        self.count = 0

    def node(self, num_groups, min_groups=1, kind=tnn.gates.DataIndependent):
        self.count += 1
        return kind(num_groups, min_groups=min_groups, name=f"g{self.count}")(self.utilization)

    def channels(self, x, num_groups=4, min_groups=1):
        return ChannelGate(num_groups=num_groups)([x, self.node(num_groups, min_groups)])

    def block(self, x):
        return ResidualGate(num_groups=1)([x, self.node(1, 0)])


def normalized(x, activation="relu"):
    return layers.Activation(activation)(layers.BatchNormalization()(x))


def plain(g, x):
    """A chain: convolutions of all kinds, two gates on one tensor, flatten, dense."""
    x = g.channels(normalized(layers.Conv2D(8, 3, padding="same")(x)))
    x = g.channels(normalized(layers.DepthwiseConv2D(3, padding="same")(x)), num_groups=2)
    x = g.channels(layers.SeparableConv2D(8, 3, strides=2, depth_multiplier=2)(x))
    x = g.channels(layers.Conv2DTranspose(12, 2, strides=2)(x))
    x = layers.MaxPooling2D()(g.channels(layers.Conv2D(8, 1, activation="tanh")(x), num_groups=8))
    x = g.channels(layers.Dense(12, activation="relu")(layers.Flatten()(x)))
    return layers.Dense(3, activation="softmax")(x)


def residual(g, x):
    """Blocks whose inner layers may close altogether, and an ungated shortcut."""
    x = normalized(layers.Conv2D(8, 3, padding="same")(x))
    for _ in range(2):
        branch = g.channels(normalized(layers.Conv2D(12, 3, padding="same")(x)), min_groups=0)
        branch = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(branch))
        x = layers.ReLU()(layers.Add()([x, g.block(g.channels(branch, 2, min_groups=0))]))
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))


def inverted(g, x):
    """MobileNetV2: the stream of a stage obeys one gate, in front of what reads it."""
    stream = g.node(4)
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same")(x))
    for _ in range(2):
        inside = g.node(4)
        branch = ChannelGate(num_groups=4)([x, stream])
        branch = normalized(layers.Conv2D(24, 1)(branch), "relu6")
        branch = ChannelGate(num_groups=4)([branch, inside])
        branch = normalized(layers.DepthwiseConv2D(3, padding="same")(branch), "relu6")
        branch = layers.BatchNormalization()(layers.Conv2D(8, 1)(branch))
        x = layers.Add()([x, g.block(branch)])
    x = ChannelGate(num_groups=4)([x, stream])
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Conv2D(16, 1)(x)))


def joined(g, x):
    """Branches side by side, a grouped convolution in both ways, layer normalisation."""
    left = g.channels(layers.Conv2D(8, 1)(x))
    right = g.channels(layers.Conv2D(4, 3, padding="same")(x), num_groups=2)
    x = layers.Conv2D(8, 3)(layers.Concatenate()([left, right]))
    x = ChannelGate(num_groups=4)([x, whole := g.node(4)])
    x = ChannelGate(num_groups=4)([layers.Conv2D(16, 3, groups=4)(x), whole])  # whole groups
    x = layers.LayerNormalization()(layers.Conv2D(8, 1)(x))
    alike = g.node(2)
    x = ChannelGate(num_groups=2, channel_groups=[0, 1, 1, 1] * 2)([x, alike])
    x = layers.Conv2D(8, 1, groups=2)(x)  # both groups become narrower
    x = ChannelGate(num_groups=4, channel_groups=[0, 1, 2, 3] * 2)([x, g.node(4)])
    return layers.Dense(3)(layers.GlobalMaxPooling2D()(x))


def side_by_side(g, x):
    """Layers that are there for some groups of a gate, and a branch for any of two gates."""
    left, right = (layers.Conv2D(4, 3, padding="same")(layers.Conv2D(6, 1)(x)) for _ in range(2))
    x = layers.Concatenate()([left, right])
    x = ChannelGate(num_groups=4, channel_groups=[1, 1, 3, 3, 0, 0, 2, 2])([x, g.node(4)])
    x = layers.Conv2D(8, 1)(x)
    left, right = (g.channels(layers.Conv2D(4, 1)(x), 2, min_groups=0) for _ in range(2))
    branch = layers.Conv2D(6, 3, padding="same")(layers.Concatenate()([left, right]))
    x = layers.Add()([x, layers.Conv2D(8, 1)(branch)])
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))


def locked(g, x):
    """One gate for layers in a row, so inputs and outputs of a kernel need the same gate."""
    node = g.node(4)
    for _ in range(3):
        x = ChannelGate(num_groups=4)([layers.Conv2D(8, 3, activation="relu")(x), node])
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))


def owned(g, x):
    """Layers that own their gates, a sum of groups, several nodes side by side and sliced."""
    x = ThrottleableConv2D(8, 3, num_groups=4, name="own")([x, g.utilization])
    # A norm before the gate, "same" padding after it: closed channels are put back as constants.
    x = ThrottleableConv2D(8, 3, num_groups=2, name="hidden")([x, g.utilization])
    x = layers.Conv2D(8, 3, padding="same")(layers.BatchNormalization()(x))
    both = keras.ops.concatenate([g.node(2), g.node(2)], axis=-1)
    x = ChannelGate(num_groups=4)([x, both])
    four = g.node(4)
    x = ChannelGate(num_groups=2)([layers.Conv2D(8, 1)(x), four[:, :2]])
    x = layers.Conv2D(16, 1, groups=4)(x)
    x = layers.ReLU()(GroupedSum(num_groups=4)([x, four]))
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))


NETWORKS = [plain, residual, inverted, joined, side_by_side, locked, owned]


@functools.cache
def built(network) -> keras.Model:
    """The throttled model of a network, with norms that make closed channels constants."""
    gates, image = Gates(), keras.Input(IMAGE, name="image")
    model = tnn.ThrottledModel([image, gates.utilization], network(gates, image))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith(("beta", "bias", "moving_mean")):
            weight.assign(rng.normal(0, 0.5, weight.shape))
    return model
