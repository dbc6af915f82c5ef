"""CIFAR ResNets, throttled widthwise (groups of channels) or depthwise (whole blocks)."""

import keras
from keras import layers

from keras_tnn.gates import Gate, Nested
from keras_tnn.layers import ChannelGate, ResidualGate
from keras_tnn.models.inputs import throttled_or_vanilla, utilization_input


def depthwise_order(blocks_per_stage: tuple[int, ...]) -> list[int]:
    """The order in which the blocks of a residual network open (hostetler2019, 5.2).

    The stages are visited again and again from output to input, and each visit opens one more
    block of the stage, the one nearest the input first; a stage that is ahead of the network's
    overall share of open blocks waits.

    Args:
        blocks_per_stage: number of blocks of each stage, from input to output.

    Returns:
        Block numbers, counted from the input, in opening order.

    Example:

    >>> depthwise_order((2, 2, 2))
    [4, 2, 0, 5, 3, 1]
    """
    total = sum(blocks_per_stage)
    first = [sum(blocks_per_stage[:stage]) for stage in range(len(blocks_per_stage))]
    opened = [0] * len(blocks_per_stage)
    order = []
    while len(order) < total:
        for stage in reversed(range(len(blocks_per_stage))):
            size = blocks_per_stage[stage]
            ahead = opened[stage] / size > len(order) / total
            if opened[stage] < size and not ahead:
                order.append(first[stage] + opened[stage])
                opened[stage] += 1
    return order


def ResNet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    depth: int = 20,
    num_groups: int = 8,
    *,
    axis: str = "width",
    width: int = 16,
    gate: type[Gate] | None = None,
    throttled: bool = True,
    name: str = "resnet",
) -> keras.Model:
    """The ResNet of He et al. (2016) for small images: 6n + 2 layers in three stages.

    A stage has n blocks of two 3x3 convolutions; stages have `width`, 2 and 4 `width` channels. A
    block that changes shape has a 1x1 convolution with normalisation on its shortcut.

    Widthwise, all channels are gated in groups, with one gate for everything that is added up,
    so a level is a narrower ResNet. Depthwise ("ResNet-D", hostetler2019, 3.3 and 5.2; liu2022,
    Eq. 3), the branch of every block is gated as a whole, in the order of `depthwise_order`.

    Args:
        input_shape: `(height, width, channels)` of an image.
        num_classes: Integer, size of the output, which is a softmax.
        depth: Integer 6n + 2: 20, 32, 44, 56, 110.
        num_groups: Integer, the cardinality D of widthwise gating; must divide `width`.
        axis: "width" or "depth".
        width: Integer, channels of the first stage.
        gate: class of the gates; `keras_tnn.gates.Nested` by default.
        throttled: if false, builds the vanilla twin: the same layers and weights, no gates.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, utilization optional; or the plain
        `keras.Model` on the image.

    Raises:
        ValueError: if `depth` is not 6n + 2, `axis` is unknown, or `num_groups` does not divide.

    Example:

    >>> model = ResNet((32, 32, 3), 10, depth=8, axis="depth")
    >>> keras_tnn.materialize(model, utilization=0.3).count_params() < model.count_params()
    True
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(
            f"Invalid value for `depth`. Expected 6n + 2, such as 20 or 56. Received: depth={depth}"
        )
    if axis not in ("width", "depth"):
        raise ValueError(
            f"Invalid value for `axis`. Expected 'width' or 'depth'. Received: axis={axis!r}"
        )
    blocks = (depth - 2) // 6
    image = keras.Input(input_shape, name="image")
    utilization = utilization_input()
    order = depthwise_order((blocks,) * 3)
    open_blocks = None
    if throttled and axis == "depth":
        shared = gate(len(order)) if gate else Nested(len(order), order=order, name="open_blocks")
        open_blocks = shared(utilization)

    def channels(x, label):
        if not throttled or axis != "width":
            return x
        made = gate(num_groups, min_groups=1) if gate else None
        return ChannelGate(num_groups=num_groups, gate=made, min_groups=1, name=f"{label}_gate")(
            [x, utilization]
        )

    def branch_gate(x, index, label):
        if open_blocks is None:
            return x
        return ResidualGate(num_groups=len(order), index=index, name=f"{label}_gate")(
            [x, open_blocks]
        )

    def convolution(x, filters, size, strides, label):
        x = layers.Conv2D(
            filters, size, strides, padding="same", use_bias=False, name=f"{label}_conv"
        )(x)
        return layers.BatchNormalization(name=f"{label}_norm")(x)

    def relu(x, label):
        return channels(layers.Activation("relu", name=f"{label}_relu")(x), label)

    x = relu(convolution(image, width, 3, 1, "stem"), "stem")
    for stage in range(3):
        for block in range(blocks):
            label = f"stage{stage + 1}_block{block + 1}"
            filters, strides = width * 2**stage, 2 if stage and not block else 1
            branch = relu(convolution(x, filters, 3, strides, f"{label}_1"), f"{label}_1")
            branch = convolution(branch, filters, 3, 1, f"{label}_2")
            branch = branch_gate(branch, stage * blocks + block, label)
            if strides > 1:
                x = convolution(x, filters, 1, strides, f"{label}_shortcut")
            x = relu(layers.Add(name=f"{label}_add")([x, branch]), label)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return throttled_or_vanilla(image, utilization, outputs, throttled, name)
