"""DenseNet-BC for small images, throttled widthwise (channels) or depthwise (whole layers)."""

from collections.abc import Callable, Mapping, Sequence

import keras
from keras import layers

from keras_tnn.gates import Gate
from keras_tnn.models.inputs import throttled_or_vanilla, utilization_input
from keras_tnn.models.normalized import relu
from keras_tnn.models.placement import Placement


def normalized_relu(x, label: str):
    """Normalisation and activation, which come before each convolution."""
    return relu(layers.BatchNormalization(name=f"{label}_norm")(x), label)


def convolved(x, filters: int, size: int, label: str):
    return layers.Conv2D(filters, size, padding="same", use_bias=False, name=f"{label}_conv")(x)


def dense_layer(x, growth: int, label: str, gates: Placement):
    """The new channels of one layer: a 1x1 convolution to 4 k channels, a 3x3 one to k."""
    features = x
    x = convolved(normalized_relu(x, f"{label}_1"), 4 * growth, 1, f"{label}_1")
    x = gates.channels(normalized_relu(x, f"{label}_2"), f"{label}_2", features=features)
    return gates.stream(convolved(x, growth, 3, f"{label}_2"), label)


def dense_block(x, count: int, growth: int, label: str, gates: Placement):
    """Layers that read the channels of all layers before them."""
    open_layers = gates.open_blocks(list(range(count)), name=f"{label}_open_layers")
    new = None
    for index in range(count):
        name = f"{label}_layer{index + 1}"
        made = dense_layer(x, growth, name, gates)
        new = gates.layer(made, new, open_layers, index, name, features=x)
        x = layers.Concatenate(name=f"{name}_concat")([x, new])
    return x


def transition(x, label: str, gates: Placement):
    """Half of the channels at half of the sides."""
    x = convolved(normalized_relu(x, label), x.shape[-1] // 2, 1, label)
    return layers.AveragePooling2D(2, name=f"{label}_pool")(gates.stream(x, label))


def DenseNet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_groups: int = 6,
    *,
    axis: str | Sequence[str] = "width",
    growth: int = 12,
    layers_per_block: tuple[int, ...] = (16, 16, 16),
    gate: Callable[..., Gate] | Mapping[str, Callable[..., Gate]] | None = None,
    throttled: bool = True,
    name: str = "densenet",
) -> keras.Model:
    """The DenseNet-BC of Huang et al. (2017) for small images, as the papers throttle it.

    Each dense block has 16 layers that concatenate 12 new channels; with its transitions that is
    DenseNet-BC-100 (k = 12). Aggregation is by concatenation (hostetler2019, Table 1).

    Widthwise, the convolutions of the dense blocks and of the transitions are gated in groups of
    channels. Depthwise, a layer is gated as a whole, "natural units for gating" (hostetler2019,
    3.3): D is the number of layers of a block, 16 in the papers, and the layers of a block open
    one after another from its input on. A closed channel is zero where it is concatenated; what
    the normalisations after it make of that zero is a constant, which `materialize` folds.

    Gates that read features, as wang2019 (III-A) puts them into a DenseNet: the new channels of a
    skipped layer are those of the layer before it (Fig. 3), so the first layer of each block is
    always open. Widthwise the channels of each 1x1 convolution are gated, and those that layers
    add stay whole; the light gate (Fig. 4) is `Convolutional` with a bottleneck of 2 k:

    ```python
    light = functools.partial(keras_tnn.gates.Convolutional, bottleneck=24)
    gates = {"depth": keras_tnn.gates.Recurrent, "width": light}
    model = DenseNet((32, 32, 3), 10, axis=("depth", "width"), gate=gates)
    ```

    On 32x32 images it takes 287.9 M MACs at u = 1, and at u = 0.5 77.9 M widthwise and 122.9 M
    depthwise. liu2022 (Figure 3) gives 3e8 and 0.79e8 FLOPs, 4.0 % and 1.4 % more than widthwise
    gating in MACs. It counts with fvcore, whose two operations a normalised value add 8.6 M at
    u = 1; which parts it gates it does not say. Its D = 16 does not divide 12 channels, 6 does.

    Args:
        input_shape: `(height, width, channels)` of an image.
        num_classes: Integer, size of the output, which is a softmax.
        num_groups: Integer, the cardinality D of widthwise gating; must divide `growth` and the
            channels of each transition, 108 and 150 by default.
        axis: "width", "depth" or both.
        growth: Integer k, the channels that a layer adds.
        layers_per_block: number of layers of each dense block.
        gate: class of the gates, or a class for each axis by its name; `keras_tnn.gates.Nested`
            by default.
        throttled: if false, builds the vanilla twin: the same layers and weights, no gates.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, utilization optional; or the plain
        `keras.Model` on the image.

    Raises:
        ValueError: if `axis` is unknown, `num_groups` does not divide, or a gate that walks over
            layers is asked for widths.

    Example:

    >>> model = DenseNet((8, 8, 3), 10, num_groups=2, growth=4, layers_per_block=(2, 2))
    >>> small = keras_tnn.materialize(model, utilization=0.5)
    >>> small.count_params() < model.count_params() / 2
    True
    """
    image = keras.Input(input_shape, name="image")
    utilization = utilization_input()
    gates = Placement(utilization, num_groups, gate, throttled, axis)
    x = convolved(image, 2 * growth, 3, "stem")
    for index, count in enumerate(layers_per_block, start=1):
        x = dense_block(x, count, growth, f"block{index}", gates)
        if index < len(layers_per_block):
            x = transition(x, f"transition{index}", gates)
    x = layers.GlobalAveragePooling2D(name="pool")(normalized_relu(x, "head"))
    outputs = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return throttled_or_vanilla(image, utilization, outputs, throttled, name)
