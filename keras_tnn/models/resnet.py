"""CIFAR ResNets, throttled widthwise (groups of channels) or depthwise (whole blocks)."""

from collections.abc import Callable, Mapping, Sequence

import keras
from keras import layers

from keras_tnn.gates import Gate, depthwise_order
from keras_tnn.models.inputs import throttled_or_vanilla, utilization_input
from keras_tnn.models.normalized import normalized, relu
from keras_tnn.models.placement import Placement


def ResNet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    depth: int = 20,
    num_groups: int = 8,
    *,
    blocks: tuple[int, int, int] | None = None,
    axis: str | Sequence[str] = "width",
    width: int = 16,
    gate: Callable[..., Gate] | Mapping[str, Callable[..., Gate]] | None = None,
    throttled: bool = True,
    name: str = "resnet",
) -> keras.Model:
    """The ResNet of He et al. (2016) for small images: 6n + 2 layers in three stages.

    A stage has n blocks of two 3x3 convolutions; stages have `width`, 2 and 4 `width` channels. A
    block that changes shape has a 1x1 convolution with normalisation on its shortcut.

    Widthwise, all channels are gated in groups, with one gate for everything that is added up,
    so a level is a narrower ResNet. Depthwise ("ResNet-D", hostetler2019, 3.3 and 5.2; liu2022,
    Eq. 3), the branch of every block is gated as a whole, in the order of `depthwise_order`.

    Gates that read features decide on each block from what it reads, F: `axis="depth"` with
    `gate=keras_tnn.gates.Recurrent` is the layer skipping of wang2019 (Eq. 1). Widthwise they
    gate the channels of each block's first convolution, and the channels that blocks add up
    stay whole. Both together are its MGL2S (Eq. 3), F' = relu(F + G^L C_2(G^C C_1(F))), where a
    closed channel, like a closed block, leaves F as it is, and G^C is not computed for G^L = 0:

    ```python
    gates = {"depth": keras_tnn.gates.Recurrent, "width": keras_tnn.gates.Convolutional}
    model = ResNet((32, 32, 3), 10, depth=38, axis=("depth", "width"), gate=gates)
    ```

    Args:
        input_shape: `(height, width, channels)` of an image.
        num_classes: Integer, size of the output, which is a softmax.
        depth: Integer 6n + 2: 20, 32, 44, 56, 110; 38 and 74 in wang2019.
        blocks: three integers above 0, the blocks of each stage, in place of `depth`. With
            (1, 1, n) the first three blocks are a ResNet-8, for the sake of early exits.
        num_groups: Integer, the cardinality D of widthwise gating; must divide `width`.
        axis: "width", "depth" or both.
        width: Integer, channels of the first stage.
        gate: class of the gates, or a class for each axis by its name; `keras_tnn.gates.Nested`
            by default.
        throttled: if false, builds the vanilla twin: the same layers and weights, no gates.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, utilization optional; or the plain
        `keras.Model` on the image.

    Raises:
        ValueError: if `depth` is not 6n + 2, `blocks` are not three counts, `axis` is unknown,
            `num_groups` does not divide, or a gate that walks over blocks is asked for widths.

    Example:

    >>> model = ResNet((32, 32, 3), 10, depth=8, axis="depth")
    >>> keras_tnn.materialize(model, utilization=0.3).count_params() < model.count_params()
    True
    """
    if blocks is None:
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(
                "Invalid value for `depth`. Expected 6n + 2, such as 20 or 56. "
                f"Received: depth={depth}"
            )
        blocks = ((depth - 2) // 6,) * 3
    elif len(blocks) != 3 or any(not isinstance(n, int) or n < 1 for n in blocks):
        raise ValueError(
            "Invalid value for `blocks`. Expected three positive integers, one a stage. "
            f"Received: blocks={blocks}"
        )
    image = keras.Input(input_shape, name="image")
    utilization = utilization_input()
    gates = Placement(utilization, num_groups, gate, throttled, axis, image)
    open_blocks = gates.open_blocks(depthwise_order(blocks))
    x = gates.stream(relu(normalized(image, width, 3, 1, "stem"), "stem"), "stem")
    for stage in range(3):
        for block in range(blocks[stage]):
            label = f"stage{stage + 1}_block{block + 1}"
            filters, strides = width * 2**stage, 2 if stage and not block else 1
            branch = relu(normalized(x, filters, 3, strides, f"{label}_1"), f"{label}_1")
            branch = gates.channels(branch, f"{label}_1", features=x, shortcut=True)
            branch = normalized(branch, filters, 3, 1, f"{label}_2")
            branch = gates.block(
                branch, open_blocks, sum(blocks[:stage]) + block, label, features=x
            )
            if strides > 1:
                x = normalized(x, filters, 1, strides, f"{label}_shortcut")
            x = relu(layers.Add(name=f"{label}_add")([x, branch]), label)
            x = gates.stream(x, label)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return throttled_or_vanilla(image, utilization, outputs, throttled, name)
