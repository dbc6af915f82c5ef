"""Every kind of layer that has a rule: its rank, and what makes a tensor from a tensor."""

import keras
import numpy as np
from keras import layers, ops

import keras_tnn as tnn


def mixed(*tensors):
    """Tensors of different channels, each read by a layer of its own, added up."""
    return layers.Add()([layers.Conv2D(8, 1)(x) for x in tensors])


def same_twice(layer):
    """A merging layer on a tensor and on another function of it."""
    return lambda x: layer([x, layers.Activation("tanh")(x)])


def by_rank(name, *arguments, ranks=(1, 2, 3), **options):
    """One case a rank: `Name1D`, `Name2D`, `Name3D`."""
    kinds = {rank: getattr(layers, f"{name}{rank}D") for rank in ranks}
    return {
        kind.__name__: (rank, lambda x, kind=kind: kind(*arguments, **options)(x))
        for rank, kind in kinds.items()
    }


OPERATIONS = (
    "abs absolute arctan celu copy cos elu expm1 floor gelu hard_shrink hard_sigmoid hard_silu "
    "hard_tanh leaky_relu log log1p log_sigmoid reciprocal relu6 round rsqrt selu sigmoid sign "
    "silu sin soft_shrink softplus softsign sparse_plus sparse_sigmoid square squareplus "
    "stop_gradient tanh_shrink"
)


def all_operations(x):
    """The sum of all elementwise operations on positive numbers."""
    x = ops.sigmoid(x) + 0.5
    terms = [getattr(ops, name)(x) for name in OPERATIONS.split()]
    return sum(terms, ops.threshold(x, 0.7, 0.1) + ops.divide(ops.cast(x, "float32"), x + 1))


MORE_OPERATIONS = (
    "arccos arcsin arcsinh arctanh cbrt ceil cosh erf exp2 isfinite isinf isnan log10 log2 "
    "nan_to_num sinh tan trunc"
)
OF_TWO = (
    "arctan2 equal floor_divide greater greater_equal hypot less less_equal logaddexp mod not_equal"
)


def more_operations(x):
    """The sum of the others, on numbers between 0 and 1, and of what compares them."""
    x, y = ops.sigmoid(x), ops.sigmoid(1 - x)
    terms = [getattr(ops, name)(x) for name in MORE_OPERATIONS.split()]
    terms += [getattr(ops, name)(x, y) for name in OF_TWO.split()]
    terms += [ops.logical_not(x > y), ops.logical_xor(x > 0.5, y > 0.5), ops.arccosh(x + 1)]
    terms += [ops.logical_or(x > 0.9, y > 0.5)]
    return sum((ops.cast(one, "float32") for one in terms), x)


def steps(x):
    return layers.Reshape((-1, x.shape[-1]))(x)


AUGMENTATION = tnn.surgery.rules.per_channel.AUGMENTATION.split()
SETTINGS = {"RandomPosterization": (8,), "RandomTranslation": (0.3, 0.3)}


def augmentation(name) -> keras.layers.Layer:
    """An augmentation layer, whatever it has to be told."""
    kind = getattr(layers, name)
    try:
        return kind(*SETTINGS.get(name, ()))
    except TypeError:
        return kind(0.3)


def attended(score, join):
    """Attention of rows of 16 channels by products: scores of two tensors, a sum of a third."""

    def attend(x):
        query, value, key = three(x)
        return join(ops.softmax(score(query, key)), value)

    return attend


def on_images(**cases):
    return {name: (2, case) for name, case in cases.items()}


def three(x):
    """Queries, values and keys, each a function of its own; fewer queries."""
    query, value, key = (layers.Activation(name)(steps(x)) for name in ("tanh", "relu", "elu"))
    return layers.Cropping1D((0, 18))(query), value, key


ATTENTION = {
    "Attention": lambda query, value, key: layers.Attention()([query, value, key]),
    "ScaledAttention": lambda query, value, key: layers.Attention(
        use_scale=True, score_mode="concat"
    )([query, value, key]),
    "AdditiveAttention": lambda query, value, key: layers.AdditiveAttention()([query, value, key]),
    "MultiHeadAttention": lambda query, value, key: layers.MultiHeadAttention(
        2, 4, value_dim=3, output_shape=12
    )(query, value, key),
    "GatedHeads": lambda query, value, key: layers.MultiHeadAttention(2, 4, use_gate=True)(
        query, value, key=key
    ),
    "GroupQueryAttention": lambda query, value, key: layers.GroupQueryAttention(4, 4, 2)(
        query, value, key
    ),
}


def attention(name):
    """One case of self-attention, one of cross-attention with keys and one without."""
    kind = ATTENTION[name]

    def itself(x):
        x = steps(x)
        return kind(x, x, x)

    def keys_are_values(x):
        query, value, _ = three(x)
        return kind(query, value, value)

    cases = {name: itself, f"Cross{name}": lambda x: kind(*three(x))}
    return on_images(**cases, **{f"TwoOf{name}": keys_are_values})


NARROWS = {
    **by_rank("Conv", 8, 3, padding="same"),
    **by_rank("DepthwiseConv", 3, padding="same", depth_multiplier=2, ranks=(1, 2)),
    **by_rank("SeparableConv", 8, 3, padding="same", ranks=(1, 2)),
    **by_rank("MaxPooling", 2),
    **by_rank("AveragePooling", 2, padding="same"),
    **by_rank("GlobalMaxPooling"),
    **by_rank("GlobalAveragePooling", keepdims=True),
    **by_rank("ZeroPadding", 1),
    **by_rank("Cropping", 1),
    **by_rank("UpSampling", 2),
    **by_rank("SpatialDropout", 0.5),
    **by_rank("AdaptiveAveragePooling", 2),
    **by_rank("AdaptiveMaxPooling", 2),
    **{f"Conv{r}DTranspose": (r, lambda x, r=r: getattr(layers, f"Conv{r}DTranspose")(8, 3, 2)(x))
       for r in (1, 2, 3)},
    **{f"GroupedConv{r}D": (r, lambda x, r=r, g=g: getattr(layers, f"Conv{r}D")(16, 3, groups=g)(x))
       for r, g in ((1, 2), (2, 8))},
    **{key: case for name in ATTENTION for key, case in attention(name).items()},
    **on_images(
        Dense=lambda x: layers.Dense(8)(x),
        DenseSoftmax=lambda x: layers.Dense(8, activation="softmax")(x),
        BatchNormalization=lambda x: layers.BatchNormalization()(x),
        GroupNormalization=lambda x: layers.GroupNormalization(4)(x),
        OneGroup=lambda x: layers.GroupNormalization(1)(x),
        TwoGroups=lambda x: layers.GroupNormalization(2)(x),
        LayerNormalization=lambda x: layers.LayerNormalization()(x),
        LayerNormalizationOfRows=lambda x: layers.LayerNormalization(axis=(2, 3))(x),
        LayerNormalizationOfAll=lambda x: layers.LayerNormalization(axis=(1, 2, 3))(x),
        RMSNormalization=lambda x: layers.RMSNormalization()(x),
        RMSNormalizationOfRows=lambda x: layers.RMSNormalization(axis=(2, 3))(x),
        UnitNormalization=lambda x: layers.UnitNormalization()(x),
        UnitNormalizationOfAll=lambda x: layers.UnitNormalization(axis=(1, 2, 3))(x),
        InstanceNormalization=lambda x: layers.GroupNormalization(-1)(x),
        Normalization=lambda x: layers.Normalization()(x),
        ReLU=lambda x: layers.ReLU(max_value=6, negative_slope=0.1)(x),
        LeakyReLU=lambda x: layers.LeakyReLU()(x),
        ELU=lambda x: layers.ELU()(x),
        PReLU=lambda x: layers.PReLU("uniform")(x),
        SharedPReLU=lambda x: layers.PReLU("uniform", shared_axes=[1, 2])(x),
        Resizing=lambda x: layers.Resizing(5, 5)(x),
        BilinearUpSampling=lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x),
        Rescaling=lambda x: layers.Rescaling(2.0, 0.5)(x),
        RescalingChannels=lambda x: layers.Rescaling(np.arange(16.0), np.arange(16.0)[::-1])(x),
        Flatten=lambda x: layers.Flatten()(x),
        Reshape=lambda x: layers.Reshape((4, -1))(x),
        Permute=lambda x: layers.Permute((2, 1, 3))(x),
        ChannelShuffle=lambda x: tnn.layers.ChannelShuffle(4)(x),
        RepeatVector=lambda x: layers.RepeatVector(3)(layers.GlobalMaxPooling2D()(x)),
        Identity=lambda x: layers.Identity()(x),
        Dropout=lambda x: layers.Dropout(0.5)(x),
        AlphaDropout=lambda x: layers.AlphaDropout(0.5)(x),
        GaussianDropout=lambda x: layers.GaussianDropout(0.5)(x),
        ActivityRegularization=lambda x: layers.ActivityRegularization(0.0)(x),
        ops_all=all_operations,
    ops_more=more_operations,
        ops_add=lambda x: x + ops.tanh(x),
        ops_largest=lambda x: ops.max(x, axis=1) - ops.min(x, axis=1),
            GaussianNoise=lambda x: layers.GaussianNoise(1.0)(x),
        Add=same_twice(layers.Add()),
        Subtract=same_twice(layers.Subtract()),
        Multiply=same_twice(layers.Multiply()),
        Average=same_twice(layers.Average()),
        Maximum=same_twice(layers.Maximum()),
        Minimum=same_twice(layers.Minimum()),
        Concatenate=same_twice(layers.Concatenate()),
        ConcatenateRows=same_twice(layers.Concatenate(axis=1)),
        Dot=lambda x: layers.Dot(1)([layers.GlobalMaxPooling2D()(x)] * 2),
        ops_arithmetic=lambda x: (2 * x + np.arange(16.0) - x / 3) ** 2,
        ops_by_position=lambda x: x + np.arange(576.0).reshape(6, 6, 16) / 100,
        ops_functions=lambda x: ops.sqrt(ops.exp(ops.clip(-x, -1, 1))),
        ops_broadcast=lambda x: x * ops.mean(x, axis=(1, 2), keepdims=True),
        ops_reshape=lambda x: ops.concatenate([x, ops.relu(x)], axis=-1),
    ),
    **on_images(**{
        f"activation_{name}": lambda x, name=name: layers.Activation(name)(x)
        for name in tnn.surgery.rules.elementwise.NAMES.split()
    }),
}  # fmt: skip

# `throttle` says that it does not follow them.
UNFOLLOWED = on_images(
    SpectralNormalization=lambda x: layers.SpectralNormalization(layers.Conv2D(4, 2))(x),
    EinsumDense=lambda x: layers.EinsumDense("abcd,de->abce", (6, 6, 4))(x),
    ChannelsFirst=lambda x: layers.GlobalMaxPooling2D(data_format="channels_first")(x),
    LayerNormalizationOfPositions=lambda x: layers.LayerNormalization(axis=(1, 2))(x),
    NormalizationOfRows=lambda x: layers.BatchNormalization(axis=1)(x),
    ops_unstack_channels=lambda x: ops.unstack(x, axis=-1)[0],
    ops_last_of=lambda x: ops.expand_dims(x[..., 0], -1),
    ops_dot=lambda x: ops.dot(x, np.ones((16, 4), "float32")),
    ops_inner=lambda x: ops.inner(x, np.ones((4, 16), "float32")),
    ops_tensordot=lambda x: ops.tensordot(x, np.ones((16, 4), "float32"), 1),
    ops_conv=lambda x: ops.conv(x, np.ones((2, 2, 16, 4), "float32")),
    ops_conv_transpose=lambda x: ops.conv_transpose(x, np.ones((2, 2, 4, 16), "float32"), 2),
    ops_depthwise_conv=lambda x: ops.depthwise_conv(x, np.ones((2, 2, 16, 1), "float32")),
    ops_separable_conv=lambda x: ops.separable_conv(
        x, np.ones((2, 2, 16, 1), "float32"), np.ones((1, 1, 16, 4), "float32")
    ),
    ops_attention=lambda x: ops.dot_product_attention(*[layers.Reshape((36, 4, 4))(x)] * 3),
)

# Their channels are followed where they stay last, or are taken one by one.
NARROWS |= on_images(
    TimeDistributed=lambda x: layers.TimeDistributed(layers.Conv1D(4, 2))(x),
    TimeDistributedReLU=lambda x: layers.TimeDistributed(layers.ReLU())(x),
    ops_split=lambda x: mixed(*ops.split(x, 2, axis=-1)),
    ops_split_three=lambda x: mixed(*ops.split(x, [2, 7], axis=-1)),
    ops_array_split=lambda x: mixed(*ops.array_split(x, 2, axis=-1)),
    ops_split_rows=lambda x: ops.add(*ops.split(x, 2, axis=1)),
    ops_unstack=lambda x: ops.concatenate(ops.unstack(x, axis=2), axis=-1),
    ops_stack=lambda x: ops.stack([x, ops.tanh(x)], axis=1),
    ops_take_rows=lambda x: ops.take(x, [0, 4, 4, 2], axis=1),
    ops_take=lambda x: ops.take(x, [15, *range(14), 3], axis=-1),
    ops_flip=lambda x: ops.flip(ops.flip(x, axis=1), axis=-1),
    ops_roll=lambda x: ops.roll(ops.roll(x, (1, 2), axis=(1, 2)), 13, axis=-1),
    ops_repeat=lambda x: ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=-1),
    ops_tile=lambda x: ops.tile(x, (1, 2, 1, 3)),
    ops_slice=lambda x: x[:, 1::2, ..., 8:] - x[:, None, 0, :, :8],
    ops_half=lambda x: x[..., :8] + ops.relu(x[..., 8:]),
    ops_pad=lambda x: ops.pad(x, [[0, 0], [1, 0], [0, 2], [0, 0]]),
    ops_reflect=lambda x: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "reflect"),
    ops_padded_ones=lambda x: layers.Conv2D(8, 1)(
        ops.pad(x, [[0, 0], [1, 1], [0, 0], [0, 3]], constant_values=1.0)
    ),
    PermuteChannels=lambda x: layers.Permute((3, 1, 2))(x),
    ops_transpose_channels=lambda x: ops.transpose(x, (0, 3, 1, 2)),
    ops_swap_channels=lambda x: ops.swapaxes(x, 1, -1),
    ops_matmul=lambda x: ops.matmul(x, np.ones((16, 4), "float32")),
    ops_einsum=lambda x: ops.einsum("abcd,de->abce", x, np.ones((16, 4), "float32")),
    matmul_attention=attended(
        lambda query, key: ops.matmul(query, ops.transpose(key, (0, 2, 1))), ops.matmul
    ),
    einsum_attention=attended(
        lambda query, key: ops.einsum("bqc,bkc->bqk", query, key),
        lambda scores, value: ops.einsum("...qk,...kc->...cq", scores, value),
    ),
    ops_einsum_of_channels=lambda x: ops.einsum("bhwc,bhvc->bhvc", x, ops.tanh(x)),
    ops_einsum_of_rows=lambda x: ops.einsum("bhwc,wv->bcvh", x, np.ones((6, 3), "float32")),
    ops_transpose=lambda x: ops.transpose(x, (0, 2, 1, 3)),
    ops_moveaxis=lambda x: ops.swapaxes(ops.moveaxis(x, 1, 2), 1, 2),
    ops_squeeze=lambda x: ops.squeeze(ops.expand_dims(x, 1), 1),
    ops_heads=lambda x: ops.transpose(ops.reshape(x, (-1, 36, 2, 8)), (0, 2, 1, 3)),
    ops_any_rows=lambda x: ops.reshape(x, (-1, 24, 24)),
    SplitChannels=lambda x: layers.Reshape((6, 6, 4, 4))(x),
    ops_windows=lambda x: ops.reshape(
        ops.transpose(ops.reshape(x, (-1, 2, 3, 2, 3, 16)), (0, 1, 3, 2, 4, 5)), (-1, 36, 16)
    ),
    ops_depth_to_space=lambda x: ops.nn.depth_to_space(x, 2),
    ops_space_to_depth=lambda x: ops.nn.space_to_depth(x, 2),
    ops_patches=lambda x: ops.image.extract_patches(x, 2, padding="same", strides=1),
    ops_pooling=lambda x: ops.max_pool(x, 2) + ops.average_pool(x, 2),
    ops_resize=lambda x: ops.image.resize(x, (9, 9)),
    ops_cropped=lambda x: ops.image.crop_images(ops.image.pad_images(x, 1, 1, 1, 1), 2, 2, 0, 0),
    ops_where=lambda x: ops.where(ops.logical_and(x > 0, x < 1), x, -2 * x),
    ops_reductions=lambda x: ops.sum(x, axis=1) - ops.var(x, axis=2) + ops.cumsum(x, 1)[:, 0],
    ops_other_reductions=lambda x: ops.amax(x, axis=1) + ops.median(x, axis=2)
    + ops.std(ops.sort(x, axis=1), axis=1) - ops.amin(ops.cumprod(x, 1), 1) * ops.prod(x, 1),
)  # fmt: skip

COLOURS = on_images(
    **{
        name: lambda x, name=name: augmentation(name)(layers.Conv2D(3, 1)(x))
        for name in AUGMENTATION
    }
)

WHOLE = on_images(
    Softmax=lambda x: layers.Softmax()(x),
    softmax=lambda x: layers.Activation("softmax")(x),
    normalized_Dot=lambda x: layers.Dot(1, normalize=True)([layers.Flatten()(x)] * 2),
    LSTM=lambda x: layers.LSTM(4)(layers.Reshape((-1, 16))(x)),
    CategoryOfChannels=lambda x: ops.log_softmax(x),
    Masking=lambda x: ops.negative(layers.Masking()(x)),
    RNN=lambda x: layers.RNN(layers.GRUCell(4))(steps(x)),
    GRU=lambda x: layers.GRU(4)(steps(x)),
    SimpleRNN=lambda x: layers.SimpleRNN(4)(steps(x)),
    Bidirectional=lambda x: layers.Bidirectional(layers.LSTM(4))(steps(x)),
    ConvLSTM1D=lambda x: layers.ConvLSTM1D(4, 2)(x),
    ConvLSTM2D=lambda x: layers.ConvLSTM2D(4, 2)(layers.Reshape((1, 6, 6, 16))(x)),
    ConvLSTM3D=lambda x: layers.ConvLSTM3D(4, 1)(layers.Reshape((1, 1, 6, 6, 16))(x)),
    RandomFlip=lambda x: layers.RandomFlip()(x),
    ops_softmax=lambda x: ops.softmax(x),
    ops_over_channels=lambda x: ops.mean(x, axis=-1),
)
