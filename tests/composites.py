"""Layers that are built from layers, one for each way to build one. Small."""

import keras
from keras import layers, ops

registered = keras.saving.register_keras_serializable("test_composites")


class Composite(layers.Layer):
    """Has so many filters."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@registered
class Block(Composite):
    """Convolution, normalisation, activation."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.conv = layers.Conv2D(filters, 3, padding="same", name="conv")
        self.norm = layers.BatchNormalization(name="norm")
        self.relu = layers.ReLU(name="relu")

    def call(self, x, training=None):
        return self.relu(self.norm(self.conv(x), training=training))


@registered
class Scaled(Block):
    """A block with a scale of its own, one a channel."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.gamma = self.add_weight(shape=(filters,), initializer="ones", name="gamma")

    def call(self, x, training=None):
        return super().call(x, training=training) * self.gamma


@registered
class DropPath(layers.Layer):
    """Leaves samples out in training, and hands its input on at inference."""

    def __init__(self, rate=0.5, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x, training=None):
        if not training:
            return x
        shape = (ops.shape(x)[0], *(1,) * (len(x.shape) - 1))
        kept = keras.random.uniform(shape, seed=self.seeds) >= self.rate
        return x * ops.cast(kept, x.dtype) / (1 - self.rate)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@registered
class Residual(Composite):
    """Composites inside a composite: x + drop(block(x))."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.block = Scaled(filters, name="block")
        self.drop = DropPath(name="drop")

    def call(self, x, training=None):
        return x + self.drop(self.block(x, training=training), training=training)


@registered
class Stack(Composite):
    """Four residual blocks."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.blocks = [Residual(filters, name=f"{number}") for number in range(4)]

    def call(self, x, training=None):
        for block in self.blocks:
            x = block(x, training=training)
        return x


@registered
class Twice(Composite):
    """One layer called twice, and two layers of one name."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.first = layers.Conv2D(filters, 1, name="conv")
        self.again = layers.Conv2D(filters, 3, padding="same", name="conv")

    def call(self, x):
        return self.again(self.again(self.first(x)))


@registered
class Ways(Composite):
    """Returns two tensors, in a list."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.left, self.right = Block(filters, name="left"), Block(filters, name="right")

    def call(self, x, training=None):
        return [self.left(x, training=training), self.right(x, training=training)]


@registered
class Affine(layers.Layer):
    """A layer of operations and weights alone; the scale is one number."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.shift = self.add_weight(shape=(shape[-1],), initializer="zeros", name="shift")

    def call(self, x):
        return x * self.scale + self.shift


@registered
class Tokens(Composite):
    """Patches, a class token and positions, as a vision transformer begins."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.patches = layers.Conv2D(filters, 2, strides=2, name="patches")
        self.positions = layers.Embedding(17, filters, name="positions")
        self.numbers = ops.expand_dims(ops.arange(17), axis=0)
        self.token = self.add_weight(shape=(1, 1, filters), initializer="ones", name="token")

    def call(self, x):
        x = self.patches(x)
        batch, height, width, channels = ops.shape(x)
        x = ops.reshape(x, (batch, height * width, channels))
        x = ops.concatenate([ops.tile(self.token, (batch, 1, 1)), x], axis=1)
        return x + self.positions(self.numbers)


@registered
class Scores(Block):
    """Returns more than features: scores that nobody asked for, and a constant."""

    def call(self, x, training=None):
        return super().call(x, training=training), None, 2 * ops.ones((self.filters,))


@registered
class Attends(Composite):
    """Reads what stands beside the features; returns a constant itself."""

    kind = Scores

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.block = self.kind(filters, name="block")

    def call(self, x, training=None):
        x, scores, scale = self.block(x, training=training)
        return (x * scale if scores is None else x), ops.ones((1, self.filters))


@registered
class Narrow(Block):
    """Says what it returns to those who do not ask about training."""

    def compute_output_spec(self, x):
        return keras.KerasTensor((*x.shape[:-1], self.filters), x.dtype)


@registered
class Sizes(layers.Layer):
    """Reads nothing of its input but the size."""

    def call(self, x):
        return ops.ones((1, 1, 1, x.shape[-1])) / x.shape[1]


@registered
class HoldsNarrow(Attends):
    """Scales what a block makes by a constant that a layer makes."""

    kind = Narrow

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.sizes = Sizes(name="sizes")

    def call(self, x, training=None):
        return self.block(x, training=training) * self.sizes(x)


@registered
class Near(layers.Layer):
    """Adds products of queries and a weight to scores, as relative positions do."""

    def build(self, shape, queries_shape):
        size = (queries_shape[-1], shape[-1])
        self.table = self.add_weight(shape=size, initializer="ones", name="table")

    def call(self, scores, queries):
        return scores + ops.einsum("bic,ck->bik", queries, self.table)


@registered
class Windows(Composite):
    """Attention of two heads within 3x3 windows, the image padded to whole ones."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.norm = layers.LayerNormalization(name="norm")
        self.qkv = layers.Dense(3 * filters, name="qkv")
        self.near = Near(name="near")
        self.out = layers.Dense(filters, name="out")

    def build(self, shape):
        self.norm.build(shape)
        self.qkv.build(shape)
        self.near.build((None, 9, 9), (None, 9, self.filters // 2))
        self.out.build(shape)

    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        batch, height, width, channels = ops.shape(x)
        down, right = -height % 3, -width % 3
        padded = ops.pad(self.norm(x), ((0, 0), (0, down), (0, right), (0, 0)))
        sizes = (batch, (height + down) // 3, 3, (width + right) // 3, 3, channels)
        windows = ops.transpose(ops.reshape(padded, sizes), (0, 1, 3, 2, 4, 5))
        windows = self.attend(ops.reshape(windows, (-1, 9, channels)))
        windows = ops.reshape(windows, (-1, sizes[1], sizes[3], 3, 3, channels))
        padded = ops.transpose(windows, (0, 1, 3, 2, 4, 5))
        padded = ops.reshape(padded, (-1, height + down, width + right, channels))
        return x + padded[:, :height, :width]

    def attend(self, x):
        batch, size, channels = ops.shape(x)
        qkv = ops.reshape(self.qkv(x), (batch, size, 3, 2, channels // 2))
        qkv = ops.transpose(qkv, (2, 0, 3, 1, 4))
        queries, keys, values = ops.unstack(ops.reshape(qkv, (3, batch * 2, size, -1)))
        scores = queries @ ops.transpose(keys, (0, 2, 1))
        weights = ops.softmax(self.near(scores, queries))
        x = ops.reshape(weights @ values, (batch, 2, size, channels // 2))
        return self.out(ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (batch, size, channels)))


@registered
class Frames(Composite):
    """Reads each position over two frames, which are rows of a sample."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        # It says nothing of how many positions it makes.
        self.dense = layers.EinsumDense("bac,cd->bad", (None, filters), name="dense")

    def call(self, x):
        height, width, channels = x.shape[1:]
        x = ops.reshape(x, (-1, 2, height * width, channels))
        x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, 2, channels))
        x = ops.reshape(self.dense(x), (-1, height * width, 2, self.filters))
        return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, height, width, self.filters))


@registered
class Attending(Composite):
    """Attention whose layers see the mask that the tokens carry."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.supports_masking = True
        self.norm = layers.LayerNormalization(name="norm")
        self.attention = layers.MultiHeadAttention(2, filters // 2, name="attention")
        self.dense = layers.Dense(filters, "relu", name="dense")
        self.out = layers.Dense(filters, name="out")

    def build(self, shape):
        self.norm.build(shape)
        self.attention.build(shape, shape)
        self.dense.build(shape)
        self.out.build(shape)

    def call(self, x):
        y = self.norm(x)
        x = x + self.attention(y, y)
        return x + self.out(self.dense(x))


@registered
class AttendingTo(Attending):
    """The same, with the mask as an argument that it computes with."""

    def call(self, x, mask=None):
        y = self.norm(x)
        seen = None if mask is None else mask[:, None]
        x = x + self.attention(y, y, attention_mask=seen)
        return x + self.out(self.dense(x))


@registered
class Embedded(Composite):
    """Makes a mask."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.table = layers.Embedding(20, filters, mask_zero=True, name="table")
        self.dense = layers.Dense(filters, name="dense")

    def build(self, shape):
        self.table.build(shape)
        self.dense.build((*shape, self.filters))

    def call(self, tokens):
        return self.dense(self.table(tokens))

    def compute_mask(self, tokens, previous_mask=None):
        return self.table.compute_mask(tokens)


# What cannot be opened.


@registered
class Branches(Block):
    """Computes something else in training."""

    def call(self, x, training=None):
        x = super().call(x, training=training)
        return x * 2 if training else x


@registered
class Tells(Block):
    """Its normalisation never trains."""

    def call(self, x):
        return super().call(x, training=False)


@registered
class ByValue(Block):
    """Looks at a value."""

    def build(self, shape):
        self.conv.build(shape)
        self.norm.build(self.compute_output_shape(shape))

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.filters)

    def call(self, x):
        return super().call(x) * (
            2 if ops.convert_to_numpy(self.conv.kernel)[0, 0, 0, 0] > 100 else 1
        )


@registered
class WithLoss(Block):
    """Adds a loss."""

    def call(self, x):
        x = super().call(x)
        self.add_loss(ops.mean(x))
        return x


@registered
class Noisy(Block):
    """Draws numbers, also at inference."""

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x):
        x = super().call(x)
        return x + 0 * keras.random.normal(x.shape[1:], seed=self.seeds)


@registered
class Reaches(Block):
    """Reads a weight of a layer inside past that layer."""

    def call(self, x):
        return super().call(x) * self.norm.gamma


@registered
class ScoresInTraining(Scores):
    """Returns something else in training."""

    def call(self, x, training=None):
        x, _, scale = super().call(x, training=training)
        return x, (x if training else None), scale


@registered
class AttendsInTraining(Attends):
    """Holds a layer that returns more than tensors and cannot be opened."""

    kind = ScoresInTraining

    def call(self, x):
        return super().call(x)[0]


@registered
class CountsSamples(Block):
    """Returns a constant for each sample."""

    def call(self, x):
        return super().call(x), ops.ones((ops.shape(x)[0], 1))


@registered
class HoldsCounts(Attends):
    """Reads a constant for each sample."""

    kind = CountsSamples

    def call(self, x):
        x, ones = self.block(x)
        return x * ones[:, None, None]


OPEN = {
    "block": Block,
    "scaled": Scaled,
    "residual": Residual,
    "twice": Twice,
    "narrow": HoldsNarrow,
}
CLOSED = {
    Branches: "does something else in training",
    Tells: "says itself whether the layers inside train",
    ByValue: "cannot be recorded",
    WithLoss: "cannot be recorded",
    Noisy: "cannot be recorded",
    Reaches: "reads a weight",
    AttendsInTraining: "gets more than tensors from 'block' inside, which does something else",
}


def network(*composites, size=8, classes=3) -> keras.Model:
    """Composites one after another between an image and a classifier."""
    image = keras.Input((size, size, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(image)
    for composite in composites:
        x = composite(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(classes)(x))
