"""Small networks that read an image and say which level it needs."""

import keras
from keras import layers

from keras_tnn.quantities import check_count
from keras_tnn.surgery import materialize


def DepthwiseCNN(
    input_shape: tuple[int, int, int],
    num_levels: int,
    *,
    filters: tuple[int, ...] = (16, 32, 64),
    patch: int | None = None,
    name: str = "controller",
) -> keras.Model:
    """A small classifier of images over levels: patches, then depthwise separable convolutions.

    The first convolution reads the image in patches that do not overlap, as a controller has to
    cost little; each separable convolution halves what is left. For 32x32x3 and 4 levels it has
    4,340 trainable parameters and takes 69,248 MACs.

    Args:
        input_shape: `(height, width, channels)` of an image.
        num_levels: Integer, the levels to choose from, K.
        filters: channels of the first convolution and of the separable ones.
        patch: Integer, the side of a patch in pixels. By default an eighth of the image's shorter
            side, but at least 2 and at most 4.
        name: name of the model.

    Returns:
        A plain `keras.Model` from images to probabilities, `(batch, num_levels)`.

    Raises:
        ValueError: if `patch` is not a positive integer.

    Example:

    >>> DepthwiseCNN((32, 32, 3), num_levels=4).output_shape
    (None, 4)
    """
    if patch is None:
        patch = min(max(2, min(input_shape[:2]) // 8), 4)
    check_count(patch, "patch")
    image = keras.Input(input_shape, name="image")
    x = layers.Conv2D(filters[0], patch, patch, "same", use_bias=False, name="stem")(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for index, width in enumerate(filters[1:], start=1):
        x = layers.DepthwiseConv2D(3, 2, padding="same", use_bias=False, name=f"depth{index}")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Conv2D(width, 1, use_bias=False, name=f"point{index}")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(num_levels, "softmax", name="choice")(x), name=name)


def BehindLevel(
    model: keras.Model,
    utilization: float,
    num_levels: int,
    *,
    layer: str | None = None,
    units: tuple[int, ...] = (32,),
    calibration_data=None,
    name: str = "controller",
) -> keras.Model:
    """A controller that sees the image as the network's own lowest level sees it.

    The level runs once; dense layers read its features and its answer and choose. Where the lowest
    level is chosen its answer is already there, so choosing costs little more than that level.
    The level in it is a frozen copy with weights of its own.

    Args:
        model: throttled classifier.
        utilization: float in (0, 1], the lowest of the levels to choose from.
        num_levels: Integer, the levels to choose from, K.
        layer: name of the layer of the cut level whose output the controller reads; averaged over
            its places. By default what its last layer with weights reads.
        units: units of the dense layers between features and choice.
        calibration_data: as `keras_tnn.materialize` takes it.
        name: name of the model.

    Returns:
        A plain `keras.Model` with the outputs "choice", probabilities `(batch, num_levels)`, and
        "answer", the output of the lowest level.

    Raises:
        ValueError: if the model is not throttled or has no such layer.

    Example:

    >>> model = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16)
    >>> controller = BehindLevel(model, 0.25, num_levels=4)
    >>> {name: x.shape for name, x in controller.output.items()}
    {'choice': (None, 4), 'answer': (None, 10)}
    """
    level = materialize(model, utilization, calibration_data)
    if layer is None:
        last = [one for one in level.layers if one.weights][-1]
        seen = last.input
    else:
        seen = level.get_layer(layer).output
    looking = keras.Model(level.input, [seen, level.output], name="lowest_level")
    looking.trainable = False
    inputs = keras.tree.map_structure(
        lambda x: keras.Input(x.shape[1:], dtype=x.dtype, name=x.name), level.input
    )
    x, answer = looking(inputs, training=False)
    if len(x.shape) > 2:
        x = layers.Reshape((-1, x.shape[-1]), name="places")(x)
        x = layers.GlobalAveragePooling1D(name="features")(x)
    x = layers.Concatenate(name="seen")([x, answer])
    x = layers.BatchNormalization(name="normalized")(x)
    for index, width in enumerate(units, start=1):
        x = layers.Dense(width, "relu", name=f"hidden{index}")(x)
    choice = layers.Dense(num_levels, "softmax", name="choice")(x)
    return keras.Model(inputs, {"choice": choice, "answer": answer}, name=name)
