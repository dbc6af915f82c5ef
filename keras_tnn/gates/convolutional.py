"""Convolutional gates: which channels a sample needs, from where things are in its features."""

import math

import keras
from keras import layers, ops

from keras_tnn.gates.estimators import Soft
from keras_tnn.gates.learned import LearnedGate
from keras_tnn.quantities import check_count

CONVOLUTIONS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}


@keras.saving.register_keras_serializable(package="keras_tnn")
class Convolutional(LearnedGate):
    """The channel gate of MGL2S: a small convolutional network (wang2019, III-A, Fig. 2b).

    A 3x3 convolution of stride 2 to `filters` channels, ReLU, the mean over positions, and a
    dense layer to the groups; p is its sigmoid. For c channels that stay c this takes a quarter of
    the MACs of a 3x3 convolution, and so 12.5 % of a residual block of two, as in the paper.

    Where c grows, as in a DenseNet, there is the light gate (Fig. 4): `bottleneck` channels by a
    1x1 convolution of stride 2, ReLU, then the 3x3 convolution. In the paper a bottleneck is half
    as wide as that of the layer which it gates: 2 k for a growth of k.

    Args:
        num_groups: Integer, the cardinality D; in the paper every channel is a group.
        min_groups: Integer, how many groups, the first ones, are always open.
        filters: Integer, channels of the 3x3 convolution. Defaults to those of the features; with
            a bottleneck to half of it.
        bottleneck: Integer, channels of the 1x1 convolution of the light gate; or None.
        estimator: `keras_tnn.gates.Estimator`; defaults to `Soft()`, the paper's.
        open_probability: float in (0, 1), about which p is before training.
        always_open: Optional list of group numbers, in place of `min_groups`.

    Call arguments:
        utilization: float tensor of shape `()` or `(batch,)`, which is not read.
        features: float tensor `(batch, ..., channels)`, channels last, of one to three dimensions
            between.
        training: boolean.

    Output shape:
        `(batch, num_groups)`.

    Raises:
        ValueError: if an argument is out of range, or if features have no positions.

    Example:

    >>> gate = Convolutional(num_groups=4, min_groups=1, open_probability=0.2)
    >>> gate(1.0, features=np.ones((2, 8, 8, 3), "float32")).numpy().tolist()
    [[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    """

    reads = ("features",)
    needs_positions = True

    def __init__(
        self,
        num_groups,
        min_groups=0,
        filters=None,
        bottleneck=None,
        estimator=None,
        open_probability=0.9,
        always_open=None,
        **kwargs,
    ):
        estimator = Soft() if estimator is None else estimator
        super().__init__(num_groups, min_groups, estimator, open_probability, always_open, **kwargs)
        self.check_decides()
        self.filters = None if filters is None else check_count(filters, "filters")
        self.bottleneck = None if bottleneck is None else check_count(bottleneck, "bottleneck")

    def build(self, utilization_shape, features_shape):
        rank = len(features_shape) - 2
        if rank not in CONVOLUTIONS:
            raise ValueError(
                f"Gate '{self.name}' looks at positions. Expected features of shape (batch, ..., "
                "channels) with one to three dimensions between. "
                f"Received: shape={tuple(features_shape)}"
            )
        default = math.ceil(self.bottleneck / 2) if self.bottleneck else features_shape[-1]
        filters, light = self.filters or default, []
        if self.bottleneck:
            light = [self.convolution(rank, self.bottleneck, 1, 2, "bottleneck")]
        last = self.convolution(rank, filters, 3, 1 if light else 2, "convolution")
        self.looking = keras.Sequential([*light, last], name="looking")
        self.looking.build(features_shape)
        self.output_logits = self.opening_logits()
        self.output_logits.build((None, filters))
        self.built = True

    def convolution(self, rank, filters, size, strides, name):
        return CONVOLUTIONS[rank](
            filters,
            size,
            strides,
            padding="same",
            activation="relu",
            dtype="float32",
            name=name,
        )

    def logits(self, utilization, features, training=None):
        x = self.looking(ops.cast(features, "float32"))
        return self.output_logits(ops.mean(x, axis=tuple(range(1, len(x.shape) - 1))))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "bottleneck": self.bottleneck}
