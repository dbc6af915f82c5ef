"""Random functional networks for property tests: lists of steps, and the model they build."""

import keras
from hypothesis import strategies as st
from keras import layers, ops

from random_weights import randomized


def convolution(x, filters, kernel, strides, padding, groups):
    groups = groups if x.shape[-1] % groups == 0 and filters % groups == 0 else 1
    if padding == "valid" and min(x.shape[1:3]) < kernel:
        padding = "same"
    return layers.Conv2D(filters, kernel, strides, padding, groups=groups)(x)


def residual(x, activation):
    branch = layers.Conv2D(x.shape[-1], 3, padding="same", activation=activation)(x)
    return layers.Add()([x, layers.Conv2D(x.shape[-1], 1)(branch)])


def squeeze(x, hidden):
    s = layers.Reshape((1, 1, x.shape[-1]))(layers.GlobalAveragePooling2D()(x))
    s = layers.Conv2D(x.shape[-1], 1, activation="sigmoid")(layers.Conv2D(hidden, 1)(s))
    return layers.Multiply()([x, s])


def branches(x, filters, axis):
    left, right = (layers.Conv2D(filters, 3, padding="same")(x) for _ in range(2))
    return layers.Concatenate(axis=axis)([left, x if axis == -1 else right])


def shared(x, filters):
    layer = layers.Conv2D(filters, 3, padding="same")
    narrow = layers.Conv2D(8, 1)
    return layers.Average()([layer(narrow(x)), layer(layers.ReLU()(narrow(x)))])


def nested(x, filters):
    inner = keras.Sequential([keras.Input(x.shape[1:]), layers.Conv2D(filters, 1), layers.ReLU()])
    return inner(x)


def pool(x, kind):
    return kind(2)(x) if min(x.shape[1:3]) > 1 else x


def there_and_back(x):
    flat = layers.Reshape((-1, x.shape[-1]))(x)
    return layers.Reshape(x.shape[1:])(flat)


SIMPLE = {
    "batch_norm": lambda x: layers.BatchNormalization()(x),
    "group_norm": lambda x: layers.GroupNormalization(4)(x) if x.shape[-1] % 4 == 0 else x,
    "layer_norm": lambda x: layers.LayerNormalization()(x),
    "relu": lambda x: layers.ReLU(6.0)(x),
    "softplus": lambda x: layers.Activation("softplus")(x),
    "softmax": lambda x: layers.Softmax()(x),
    "prelu": lambda x: layers.PReLU(shared_axes=[1, 2])(x),
    "ops": lambda x: ops.maximum(2.0 * x - 0.5, ops.negative(x)) + ops.sigmoid(x),
    "pad": lambda x: layers.ZeroPadding2D(1)(x),
    "crop": lambda x: layers.Cropping2D(1)(x) if min(x.shape[1:3]) > 2 else x,
    "up": lambda x: layers.UpSampling2D(2)(x) if max(x.shape[1:3]) < 8 else x,
    "resize": lambda x: layers.Resizing(5, 5)(x),
    "rescale": lambda x: layers.Rescaling(0.5, offset=0.1)(x),
    "dropout": lambda x: layers.SpatialDropout2D(0.5)(x),
    "permute": lambda x: layers.Permute((2, 1, 3))(x),
    "reshape": there_and_back,
    "depthwise": lambda x: layers.DepthwiseConv2D(3, padding="same", depth_multiplier=1)(x),
    "twofold": lambda x: layers.DepthwiseConv2D(2, padding="same", depth_multiplier=2)(x),
    "separable": lambda x: layers.SeparableConv2D(8, 3, padding="same")(x),
    "transposed": lambda x: layers.Conv2DTranspose(8, 3, 1, padding="same")(x),
    "max_pool": lambda x: pool(x, layers.MaxPooling2D),
    "average_pool": lambda x: pool(x, layers.AveragePooling2D),
}

FILTERS = st.sampled_from([8, 12, 16])
STEP = st.one_of(
    st.tuples(
        st.just(convolution),
        FILTERS,
        st.integers(1, 3),
        st.integers(1, 2),
        st.sampled_from(["same", "valid"]),
        st.sampled_from([1, 1, 2, 4, 8]),
    ),
    st.tuples(st.just(residual), st.sampled_from(["relu", "tanh", None])),
    st.tuples(st.just(squeeze), st.sampled_from([2, 8])),
    st.tuples(st.just(branches), FILTERS, st.sampled_from([-1, 1])),
    st.tuples(st.just(shared), FILTERS),
    st.tuples(st.just(nested), FILTERS),
    st.tuples(st.sampled_from(sorted(SIMPLE))),
)
STEPS = st.lists(STEP, min_size=1, max_size=7)
HEADS = st.sampled_from(["pool", "flatten", "ops"])


def network(steps, head) -> keras.Model:
    """A network on 8x8 images: a convolution, the steps, two dense layers."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same")(image)
    for name, *arguments in steps:
        x = SIMPLE[name](x) if isinstance(name, str) else name(x, *arguments)
    if head == "ops":
        x = ops.mean(x, axis=(1, 2))
    else:
        x = layers.Flatten()(x) if head == "flatten" else layers.GlobalMaxPooling2D()(x)
    x = layers.Dense(8)(x)  # at least this can be gated
    model = keras.Model(image, layers.Dense(3, name="logits")(x))
    return randomized(model)
