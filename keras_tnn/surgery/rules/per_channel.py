"""Layers that treat each channel by itself: pooling, padding, dropout and the like."""

import numpy as np
from keras import layers

from keras_tnn.surgery.arguments import axes_of
from keras_tnn.surgery.calls import LAST, channel_axis
from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule
from keras_tnn.surgery.rules.data_format import ByDataFormat


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

    def weights(self, call, kept):
        """Channels on the last axis, unless a subclass says otherwise."""
        weights = getattr(call.operation, "weights", ())
        return [(*(None,) * (len(w.shape) - 1), kept.makes) for w in weights]

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

    def keep(self, call, inputs, wanted):
        source = self.source(call, inputs[0].size)
        read = np.zeros(inputs[0].size, bool)
        read[source[wanted]] = True
        return Kept((read,), read[source])  # a read channel yields all its outputs


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
    """At inference these layers hand their input on: on the device they are not there."""

    at_training_only = True

    def looks_at(self, call, x):
        return None

    def puts(self, call, axis):
        return axis

    def passes_values_on(self, call):
        return True


# By name: not every version of Keras has them all. `RandomCrop` is none of them, it resizes.
AUGMENTATION = (
    "AugMix CutMix MixUp RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter "
    "RandomContrast RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur "
    "RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation "
    "RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom"
)


@rule(*AUGMENTATION.split())
class Augmentation(Rule):
    """As above, but some take channels for colours: all of them stay together."""

    at_training_only = True

    def passes_values_on(self, call):
        return True


def of_all_ranks(*kinds: str) -> list[type]:
    """The Keras layers `kind1D`, `kind2D`, `kind3D`."""
    return [getattr(layers, f"{kind}{rank}D") for kind in kinds for rank in (1, 2, 3)]


@rule(*of_all_ranks("UpSampling", "Cropping"), layers.RepeatVector, "CropImages")
class KeepsConstants(ByDataFormat, PerChannel):
    """Cropping or repeating a constant gives the constant."""

    silent = False

    def passes_values_on(self, call):
        return False


@rule(
    *of_all_ranks("MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling"),
    *of_all_ranks("AdaptiveMaxPooling", "AdaptiveAveragePooling"),
    "MaxPool",
    "AveragePool",
)
class Pooling(KeepsConstants):
    """So does pooling it."""

    pools = True


@rule(*of_all_ranks("ZeroPadding"), layers.Resizing, "PadImages")
class ZeroPadding(KeepsConstants):
    """Zeros stay zeros; any other constant is no longer one beside the padding.

    Resizing may pad, too, and its weights sum to one only up to rounding.
    """

    def fill(self, call, fill):
        return np.where(fill == 0, 0, np.nan)


@rule("Resize")
class ResizeRule(ZeroPadding):
    """So does the operation, and it may pad with another number."""

    def fill(self, call, fill):
        settings = call.operation
        zeros = not settings.pad_to_aspect_ratio or settings.fill_value == 0
        return super().fill(call, fill) if zeros else np.full(len(fill), np.nan)


def after_reduction(call, axis: int) -> int:
    """Where an axis comes to lie where those that an operation works along may go."""
    rank = len(call.inputs[0].shape)
    reduced = axes_of(call, rank)
    if len(call.outputs[0].shape) == rank:
        return axis
    behind = [i for i in reduced if i > axis % rank]
    return LAST if axis % rank in reduced else axis + len(behind)


@rule("Mean", "Max", "Min", "Amax", "Amin", "Median", "Sort")
class Reduction(PerChannel):
    """`keras.ops` over positions, as global pooling; over channels, whole."""

    def applies(self, call):
        x = call.inputs[0]
        own = channel_axis(x) % len(x.shape)
        plain = len(call.inputs) == 1 and getattr(call.operation, "initial", None) is None
        return plain and not {0, own} & axes_of(call, len(x.shape))

    def looks_at(self, call, x):
        return None

    def puts(self, call, axis):
        return after_reduction(call, axis)

    def passes_values_on(self, call):
        return False


@rule("Sum", "Std", "Var", "Prod", "Cumsum", "Cumprod")
class ChangingReduction(Reduction):
    """Zeros stay zeros; any other constant becomes another."""

    def fill(self, call, fill):
        return np.where(fill == 0, 0, np.nan)
