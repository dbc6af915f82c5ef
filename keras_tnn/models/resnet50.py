"""ResNet-50, throttled widthwise (groups of channels) or depthwise (whole blocks)."""

import keras
from keras import layers

from keras_tnn.gates import Gate, depthwise_order
from keras_tnn.models.bottleneck import Bottlenecks
from keras_tnn.models.inputs import throttled_or_vanilla, utilization_input
from keras_tnn.models.normalized import normalized, relu
from keras_tnn.models.placement import Placement

BLOCKS = (3, 4, 6, 3)


def imagenet_stem(image, gates: Placement, width: int = 64, gated: bool = True):
    """A 7x7 convolution and 3x3 max pooling, each of stride 2."""
    x = relu(normalized(image, width, 7, 2, "stem"), "stem")
    if gated:
        x = gates.channels(x, "stem")
    return layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)


def ResNet50(
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_groups: int = 16,
    *,
    axis: str = "width",
    width: int = 64,
    blocks: tuple[int, ...] = BLOCKS,
    gate: type[Gate] | None = None,
    throttled: bool = True,
    name: str = "resnet50",
) -> keras.Model:
    """ResNet-50 of He et al. (2016), with the stride in the 3x3 convolutions ("v1.5").

    This is the network that herrmann2019 (S1.4) and torchvision's users call ResNet-50;
    `keras.applications.ResNet50` is v1, with the stride in the 1x1 convolutions before. To throttle
    that one, with its trained weights, use `keras_tnn.throttling.throttle`.

    Widthwise, the three layers of a block are gated in groups of channels, with one gate for
    everything that is added up, so a level is a narrower network. Depthwise (hostetler2019, 3.3
    and 5.2), the branch of every block is gated as a whole, in the order of `depthwise_order`.

    Its convolutions and classifier take 4,089,184,256 MACs at 224, and v1's 3,857,973,248.
    herrmann2019 gives 4.028e9, which is 61 M (1.5 %) less, and 3.8e9. No convention that it names
    gives that number; all of the network but its classifier and half of its first convolution
    would. "Same" padding is TensorFlow's, one-sided where the stride is 2.

    Args:
        input_shape: `(height, width, channels)` of an image.
        num_classes: Integer, size of the output, which is a softmax.
        num_groups: Integer, the cardinality D of widthwise gating; must divide `width`.
        axis: "width" or "depth".
        width: Integer, channels of the 3x3 convolutions of the first stage.
        blocks: number of blocks of each stage; (3, 4, 23, 3) is ResNet-101.
        gate: class of the gates; `keras_tnn.gates.Nested` by default.
        throttled: if false, builds the vanilla twin: the same layers and weights, no gates.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, utilization optional; or the plain
        `keras.Model` on the image.

    Raises:
        ValueError: if `axis` is unknown or `num_groups` does not divide.

    Example:

    >>> model = ResNet50((32, 32, 3), 10, num_groups=4, width=8, blocks=(1, 1))
    >>> small = keras_tnn.materialize(model, utilization=0.5)
    >>> small.count_params() < model.count_params() / 2
    True
    """
    image = keras.Input(input_shape, name="image")
    utilization = utilization_input()
    gates = Placement(utilization, num_groups, gate, throttled, axis)
    open_blocks = gates.open_blocks(depthwise_order(blocks))
    x = imagenet_stem(image, gates, width)
    x = Bottlenecks(blocks, inner=width, outer=4 * width).build(x, gates, open_blocks)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return throttled_or_vanilla(image, utilization, outputs, throttled, name)
