"""VGG, throttled widthwise: groups of filters are gated in every layer but the classifier."""

import keras
from keras import layers

from keras_tnn.gates import Gate
from keras_tnn.models.inputs import throttled_or_vanilla, utilization_input
from keras_tnn.models.placement import Placement

STAGES = ((64, 64), (128, 128), (256, 256, 256))


def VGG(
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_groups: int = 16,
    *,
    filters: tuple[tuple[int, ...], ...] = STAGES,
    dense_units: int | None = 4096,
    batch_normalization: bool = True,
    gate: type[Gate] | None = None,
    throttled: bool = True,
    name: str = "vgg",
) -> keras.Model:
    """VGG-D cut after three stages and one dense layer, as the papers throttle it.

    Each stage is a run of 3x3 convolutions followed by 2x2 max pooling. All convolutions and the
    dense layer are gated in `num_groups` groups of filters, of which at least one stays open,
    because nothing else feeds the next layer (hostetler2019, 3.3 and A.1; liu2022, 4.1).

    Args:
        input_shape: `(height, width, channels)` of an image.
        num_classes: Integer, size of the output, which is a softmax.
        num_groups: Integer, the cardinality D; must divide every entry of `filters` and
            `dense_units`.
        filters: for each stage the number of filters of its convolutions. The papers' by default.
        dense_units: units of the dense layer before the classifier, or None for global average
            pooling in its place.
        batch_normalization: whether a batch normalisation follows each convolution.
        gate: class of the gates, `keras_tnn.gates.Nested` (the default) or another that takes
            `num_groups` and `min_groups`.
        throttled: if false, builds the vanilla twin: the same layers and weights, no gates.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, utilization optional; or the plain
        `keras.Model` on the image.

    Raises:
        ValueError: if `num_groups` does not divide the channels of a layer.

    Example:

    >>> model = VGG((32, 32, 3), 10, num_groups=8, filters=((32, 32), (64, 64)), dense_units=None)
    >>> model.output_shape
    (None, 10)
    """
    image = keras.Input(input_shape, name="image")
    utilization = utilization_input()
    gates = Placement(utilization, num_groups, gate, throttled)
    x = image
    for stage, widths in enumerate(filters, start=1):
        for index, width in enumerate(widths, start=1):
            label = f"conv{stage}_{index}"
            x = layers.Conv2D(
                width, 3, padding="same", use_bias=not batch_normalization, name=label
            )(x)
            if batch_normalization:
                x = layers.BatchNormalization(name=f"{label}_norm")(x)
            x = gates.channels(layers.Activation("relu", name=f"{label}_relu")(x), label)
        x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
    if dense_units is None:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    else:
        x = layers.Flatten(name="flatten")(x)
        x = gates.channels(layers.Dense(dense_units, activation="relu", name="dense")(x), "dense")
    outputs = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return throttled_or_vanilla(image, utilization, outputs, throttled, name)
