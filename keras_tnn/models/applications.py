"""Networks that `keras.applications` has: they are built there and throttled, not written again."""

from collections.abc import Callable

import keras

from keras_tnn.throttling import throttle

DENSENET = """{name} of Huang et al. (2017), that of `keras.applications`, throttled.

    Args:
        input_shape: `(height, width, channels)` of an image, sides of at least 32.
        num_classes: Integer, size of the output, which is a softmax.
        num_groups: Integer, the cardinality D, as `keras_tnn.throttling.throttle` takes it.
        axes: what is gated: "width".
        weights: None for random ones, "imagenet" (downloaded by Keras), or the path of a weights
            file. With "imagenet" and a number of classes other than 1000 the classifier is new.
        throttled: if false, returns the plain network.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, utilization optional; or the plain
        `keras.Model` on the image.

    Example:

    ```python
    model = keras_tnn.models.{name}((64, 64, 3), 10)
    small = keras_tnn.materialize(model, utilization=0.5)
    ```
    """


def plain(
    application: Callable[..., keras.Model],
    input_shape: tuple[int, int, int],
    num_classes: int,
    weights: str | None,
    name: str,
    **options,
) -> keras.Model:
    """The plain network on an input named "image"; its trained classifier if the classes fit."""
    image = keras.Input(input_shape, name="image")
    options |= {"input_tensor": image, "weights": weights}
    if weights != "imagenet" or num_classes == 1000:
        outputs = application(classes=num_classes, **options).output
    else:
        features = application(include_top=False, pooling="avg", **options).output
        outputs = keras.layers.Dense(num_classes, activation="softmax", name="predictions")(
            features
        )
    return keras.Model(image, outputs, name=name)


def MobileNetV2(
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_groups: int = 8,
    *,
    alpha: float = 1.0,
    axes: tuple[str, ...] = ("width",),
    weights: str | None = None,
    throttled: bool = True,
    name: str = "mobilenetv2",
) -> keras.Model:
    """MobileNetV2 of Sandler et al. (2018), that of `keras.applications`, throttled.

    With 1000 classes it takes 300.8 M MACs at 224 and 56.2 M at 96, the 300 and 56 M of
    herrmann2019 (Figure 4).

    Args:
        input_shape: `(height, width, channels)` of an image, sides of at least 32.
        num_classes: Integer, size of the output, which is a softmax.
        num_groups: Integer, the cardinality D, as `keras_tnn.throttling.throttle` takes it.
        alpha: float, multiplies the width of every layer.
        axes: what is gated: "width", "depth" or both.
        weights: None for random ones, "imagenet" (downloaded by Keras), or the path of a weights
            file. With "imagenet" and a number of classes other than 1000 the classifier is new.
        throttled: if false, returns the plain network.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, utilization optional; or the plain
        `keras.Model` on the image.

    Example:

    ```python
    model = keras_tnn.models.MobileNetV2((64, 64, 3), 10)
    small = keras_tnn.materialize(model, utilization=0.5)
    ```
    """
    application = keras.applications.MobileNetV2
    model = plain(application, input_shape, num_classes, weights, name, alpha=alpha)
    return throttle(model, num_groups=num_groups, axes=axes) if throttled else model


def densenet(application: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """The builder of one of the DenseNets, which differ in their numbers of layers only."""

    def build(
        input_shape: tuple[int, int, int],
        num_classes: int,
        num_groups: int = 8,
        *,
        axes: tuple[str, ...] = ("width",),
        weights: str | None = None,
        throttled: bool = True,
        name: str = application.__name__.lower(),
    ) -> keras.Model:
        model = plain(application, input_shape, num_classes, weights, name)
        return throttle(model, num_groups=num_groups, axes=axes) if throttled else model

    build.__name__ = build.__qualname__ = application.__name__
    build.__doc__ = DENSENET.format(name=application.__name__)
    return build


DenseNet121 = densenet(keras.applications.DenseNet121)
DenseNet169 = densenet(keras.applications.DenseNet169)
DenseNet201 = densenet(keras.applications.DenseNet201)
