"""C3D for clips, throttled widthwise: every layer but the first and the classifier is gated."""

import keras
from keras import layers

from keras_tnn.gates import Gate
from keras_tnn.models.inputs import throttled_or_vanilla, utilization_input
from keras_tnn.models.placement import Placement

# liu2022, Table 4: channels C of the convolutions between two max poolings.
STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))
FIRST_GROUPS, GROUPS = 16, 32  # cardinality D of conv2 and the dense layers, and of the others


def C3D(
    input_shape: tuple[int, int, int, int],
    num_classes: int,
    num_groups: int | None = None,
    *,
    filters: tuple[tuple[int, ...], ...] = STAGES,
    dense_units: tuple[int, ...] = (512, 512),
    gate: type[Gate] | None = None,
    throttled: bool = True,
    name: str = "c3d",
) -> keras.Model:
    """C3D-W of liu2022 (Table 4), after Tran et al. (2015): 3x3x3 convolutions for clips.

    Each stage is a run of convolutions with ReLU and then max pooling, which halves the sides and,
    from the second stage on, the frames; two dense layers follow. Groups of filters are nested and
    concatenated. The first layer is not throttled; elsewhere at least one group stays open, because
    nothing else feeds the next layer.

    For 16 frames of 100x160 and 27 classes it has 31,865,115 parameters, Table 6's 31.865 M.

    Args:
        input_shape: `(frames, height, width, channels)` of a clip.
        num_classes: Integer, size of the output, which is a softmax.
        num_groups: Integer, the cardinality D of every gated layer. None for Table 4's: 16 for
            the second convolution and the dense layers, 32 for the other convolutions.
        filters: for each stage the number of filters of its convolutions.
        dense_units: units of the dense layers before the classifier.
        gate: class of the gates; `keras_tnn.gates.Nested` by default.
        throttled: if false, builds the vanilla twin: the same layers and weights, no gates.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, where the image is a clip and
        utilization is optional; or the plain `keras.Model` on the clip.

    Raises:
        ValueError: if `num_groups` does not divide the channels of a layer, or the clip is too
            small for its poolings.

    Example:

    >>> model = C3D((4, 8, 8, 3), 5, num_groups=4, filters=((8,), (8,), (16,)), dense_units=(16,))
    >>> model.output_shape
    (None, 5)
    """
    check_clip(input_shape, stages=len(filters))
    clip = keras.Input(input_shape, name="image")
    utilization = utilization_input()
    gates = Placement(utilization, num_groups or GROUPS, gate, throttled)
    few = num_groups or FIRST_GROUPS
    x, number = clip, 0
    for stage, widths in enumerate(filters, start=1):
        for width in widths:
            number += 1
            label = f"conv{number}"
            x = layers.Conv3D(width, 3, padding="same", activation="relu", name=label)(x)
            if number > 1:
                x = gates.channels(x, label, num_groups=few if number == 2 else None)
        x = layers.MaxPooling3D((1, 2, 2) if stage == 1 else 2, name=f"pool{stage}")(x)
    x = layers.Flatten(name="flatten")(x)
    for index, units in enumerate(dense_units, start=1):
        x = layers.Dense(units, activation="relu", name=f"dense{index}")(x)
        x = gates.channels(x, f"dense{index}", num_groups=few)
    outputs = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return throttled_or_vanilla(clip, utilization, outputs, throttled, name)


def check_clip(input_shape: tuple, stages: int):
    """Raises ValueError if poolings would leave nothing of the clip."""
    least = (2 ** (stages - 1), 2**stages, 2**stages)
    fits = len(input_shape) == 4 and all(
        size is not None and size >= low for size, low in zip(input_shape, least, strict=False)
    )
    if not fits:
        raise ValueError(
            "Invalid value for `input_shape`. Expected (frames, height, width, channels) of at "
            f"least {least} for {stages} stages. Received: input_shape={input_shape}"
        )
