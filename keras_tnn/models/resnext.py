"""ResNeXt, throttled widthwise: the branches of each block, which are added up, are gated."""

import keras
from keras import layers

from keras_tnn.gates import Gate
from keras_tnn.models.bottleneck import Bottlenecks
from keras_tnn.models.inputs import throttled_or_vanilla, utilization_input
from keras_tnn.models.normalized import normalized, relu
from keras_tnn.models.placement import Placement
from keras_tnn.models.resnet50 import BLOCKS, imagenet_stem


def check_branches(num_groups: int, cardinality: int):
    if num_groups < 1 or cardinality % num_groups:
        raise ValueError(
            f"Invalid value for `num_groups`. Expected a divisor of the {cardinality} branches of "
            f"a block, so that branches are gated whole. Received: num_groups={num_groups}"
        )


def ResNeXt(
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_groups: int = 4,
    *,
    depth: int = 29,
    cardinality: int = 4,
    branch_width: int = 16,
    filters: int = 64,
    gate_sums: bool = True,
    gate: type[Gate] | None = None,
    throttled: bool = True,
    name: str = "resnext",
) -> keras.Model:
    """The ResNeXt of Xie et al. (2017) for small images: 9n + 2 layers in three stages.

    A stage has n blocks of `cardinality` branches, each a 1x1, a 3x3 and a 1x1 convolution; the
    branches are added to a shortcut. They run as one grouped convolution between two 1x1
    convolutions, and the last of these is the sum over the branches (liu2022, Eq. 2, aggregation
    by summation). Branches are gated as wholes, after the grouped convolution (hostetler2019, 3.3;
    liu2022, 4.1). None needs to stay open: the shortcut feeds the next block. The channels that
    are added up are gated, too, so that all widths follow u; `gate_sums=False` gates branches
    alone, as chen2020 selects paths.

    The defaults are ResNeXt-29 (4x16d) of chen2020 (Table 1), where blocks add up 64, 128 and 256
    channels: 1.13 M trainable parameters with 100 classes, and 2.23 M with `depth=56`. The 8x64d
    of Xie et al. is `cardinality=8, branch_width=64, filters=256`: 34.4 M.

    Args:
        input_shape: `(height, width, channels)` of an image.
        num_classes: Integer, size of the output, which is a softmax.
        num_groups: Integer, the cardinality D of the gates; must divide `cardinality`, and
            `filters / 4` where sums are gated.
        depth: Integer 9n + 2: 29, 56 and so on.
        cardinality: Integer, number of branches of a block.
        branch_width: Integer, channels of a branch in the first stage.
        filters: Integer, channels that blocks of the first stage add up; the first convolution
            has a quarter.
        gate_sums: whether the channels that are added up are gated, too.
        gate: class of the gates; `keras_tnn.gates.Nested` by default. One for the whole network,
            such as `keras_tnn.gates.BudgetPolicy`, decides on branches alone.
        throttled: if false, builds the vanilla twin: the same layers and weights, no gates.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, utilization optional; or the plain
        `keras.Model` on the image.

    Raises:
        ValueError: if `depth` is not 9n + 2 or `num_groups` does not divide.

    Example:

    >>> model = ResNeXt((8, 8, 3), 10, depth=11, num_groups=2)
    >>> [layer.num_groups for layer in model.layers if hasattr(layer, "gate")]
    [2, 2, 2, 2, 2, 2, 2]
    """
    if depth < 11 or (depth - 2) % 9:
        raise ValueError(
            f"Invalid value for `depth`. Expected 9n + 2, such as 29 or 56. Received: depth={depth}"
        )
    check_branches(num_groups, cardinality)
    image = keras.Input(input_shape, name="image")
    utilization = utilization_input()
    gates = Placement(utilization, num_groups, gate, throttled, image=image)
    if not gate_sums:
        gates.decide(num_groups * (depth - 2) // 3)
    x = relu(normalized(image, filters // 4, 3, 1, "stem"), "stem")
    if gate_sums:
        x = gates.channels(x, "stem")
    stages = Bottlenecks(
        ((depth - 2) // 9,) * 3, cardinality * branch_width, filters, cardinality, gate_sums
    )
    x = layers.GlobalAveragePooling2D(name="pool")(stages.build(x, gates))
    outputs = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return throttled_or_vanilla(image, utilization, outputs, throttled, name)


def ResNeXt50(
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_groups: int = 16,
    *,
    cardinality: int = 32,
    branch_width: int = 4,
    filters: int = 256,
    blocks: tuple[int, ...] = BLOCKS,
    gate_sums: bool = True,
    gate: type[Gate] | None = None,
    throttled: bool = True,
    name: str = "resnext50",
) -> keras.Model:
    """ResNeXt-50 (32x4d) of Xie et al. (2017), with D = 16 in each stage (liu2022, 4.2.1).

    Built and gated as `ResNeXt`. At 224 it takes 4.230 G MACs at u = 1 and 1.145 G at u = 0.5;
    liu2022 (4.2.2, Figure 4) gives 4.2 and 1.13 GFLOPs, the second 1.4 % less. With branches gated
    alone it would be 2.355 G, so the paper's network is narrower in its sums, too.

    Args:
        input_shape: `(height, width, channels)` of an image.
        num_classes: Integer, size of the output, which is a softmax.
        num_groups: Integer, the cardinality D of the gates; must divide `cardinality`, and
            `filters / 4` where sums are gated.
        cardinality: Integer, number of branches of a block.
        branch_width: Integer, channels of a branch in the first stage.
        filters: Integer, channels that blocks of the first stage add up; the first convolution
            has a quarter.
        blocks: number of blocks of each stage.
        gate_sums: whether the channels that are added up are gated, too.
        gate: class of the gates; `keras_tnn.gates.Nested` by default.
        throttled: if false, builds the vanilla twin: the same layers and weights, no gates.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, utilization optional; or the plain
        `keras.Model` on the image.

    Raises:
        ValueError: if `num_groups` does not divide.

    Example:

    >>> model = ResNeXt50((32, 32, 3), 10, num_groups=4, cardinality=4, blocks=(1, 1))
    >>> model.output_shape
    (None, 10)
    """
    check_branches(num_groups, cardinality)
    image = keras.Input(input_shape, name="image")
    utilization = utilization_input()
    gates = Placement(utilization, num_groups, gate, throttled)
    x = imagenet_stem(image, gates, filters // 4, gated=gate_sums)
    stages = Bottlenecks(blocks, cardinality * branch_width, filters, cardinality, gate_sums)
    x = layers.GlobalAveragePooling2D(name="pool")(stages.build(x, gates))
    outputs = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return throttled_or_vanilla(image, utilization, outputs, throttled, name)
