"""Layers that treat each channel by itself: pooling, padding, dropout and the like."""

import numpy as np
from keras import layers

from keras_tnn.surgery.channels import Channels, Piece
from keras_tnn.surgery.rule import Rule, rule


class PerChannel(Rule):
    """Each output channel depends on one input channel. Subclasses say what `fill` becomes.

    Where `fill` answers NaN, the constant does not stay one and the channel is kept.
    """

    def source(self, call, size: int) -> np.ndarray:
        """For each output channel the input channel it depends on. Default: the same."""
        return np.arange(size)

    def fill(self, call, fill: np.ndarray) -> np.ndarray:
        """The output constants for input constants `fill`, brought to the output's order."""
        return fill

    def slices(self, call, read: np.ndarray, kept: np.ndarray) -> list[tuple]:
        """For each weight, its kept indices an axis. Default: channels on the last axis."""
        return [
            (*(None,) * (len(w.shape) - 1), kept) for w in getattr(call.operation, "weights", ())
        ]

    def changes(self, call, read: np.ndarray, kept: np.ndarray) -> dict:
        """Arguments of the layer that depend on the number of channels."""
        return {}

    def tie(self, call, inputs, ties):
        return inputs[0][self.source(call, len(inputs[0]))]

    def forward(self, call, inputs):
        source = self.source(call, inputs[0].size)
        fill = self.fill(call, inputs[0].fill[source])
        return Channels(inputs[0].alive[source] | np.isnan(fill), fill)

    def backward(self, call, inputs, needed):
        read = np.zeros(inputs[0].size, bool)
        read[self.source(call, inputs[0].size)[needed]] = True
        return [read]

    def build(self, call, inputs, output, needed, builder):
        source = self.source(call, inputs[0].channels.size)
        read = np.unique(source[output.alive & needed])
        kept = np.flatnonzero(np.isin(source, read))  # a read channel yields all its outputs
        tensor = builder.repeat(
            call,
            [inputs[0].align(read, call.name)],
            self.slices(call, read, kept),
            self.changes(call, read, kept),
        )
        return Piece(tensor, kept, output)


@rule(
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.AlphaDropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.ActivityRegularization,
    layers.Identity,
    "StochasticDepth",  # of keras.applications.ConvNeXt*
)
class DoesNothing(PerChannel):
    """At inference these layers hand their input on."""


@rule(
    *(f"Adaptive{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2, 3)),
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    layers.UpSampling1D,
    layers.UpSampling2D,
    layers.UpSampling3D,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Cropping3D,
    layers.RepeatVector,
)
class KeepsConstants(PerChannel):
    """Pooling, cropping or repeating a constant gives the constant."""

    def applies(self, call):
        return getattr(call.operation, "data_format", "channels_last") == "channels_last"


@rule(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D, layers.Resizing)
class ZeroPadding(KeepsConstants):
    """Zeros stay zeros; any other constant is no longer one beside the padding.

    Resizing may pad, too, and its weights sum to one only up to rounding.
    """

    def fill(self, call, fill):
        return np.where(fill == 0, 0, np.nan)


@rule("Mean", "Max", "Min")
class Reduction(PerChannel):
    """`keras.ops` over positions, as global pooling; over channels, whole."""

    def applies(self, call):
        rank, axis = len(call.inputs[0].shape), call.operation.axis
        axes = range(rank) if axis is None else np.atleast_1d(axis) % rank
        plain = len(call.inputs) == 1 and getattr(call.operation, "initial", None) is None
        return plain and not {0, rank - 1} & {int(a) for a in axes}
