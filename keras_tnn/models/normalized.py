"""A convolution and its batch normalisation, the pair that residual networks are made of."""

from keras import layers


def normalized(x, filters: int, size, strides, label: str, groups: int = 1):
    """Convolution without bias, "same" padding, then normalisation; 2-D or 3-D by the rank of x."""
    convolution = layers.Conv2D if len(x.shape) == 4 else layers.Conv3D
    x = convolution(
        filters,
        size,
        strides,
        padding="same",
        groups=groups,
        use_bias=False,
        name=f"{label}_conv",
    )(x)
    return layers.BatchNormalization(name=f"{label}_norm")(x)


def relu(x, label: str):
    return layers.Activation("relu", name=f"{label}_relu")(x)
