"""3-D ShuffleNet for clips, throttled widthwise (bottlenecks) or depthwise (whole units)."""

from dataclasses import dataclass

import keras
from keras import layers

from keras_tnn.gates import Gate, depthwise_order
from keras_tnn.layers import ChannelShuffle
from keras_tnn.models.inputs import throttled_or_vanilla, utilization_input
from keras_tnn.models.normalized import normalized, relu
from keras_tnn.models.placement import Placement

STEM = 24  # channels
UNITS = (4, 8, 4)  # liu2022, Table 5: the first of each stage halves the clip


@dataclass(frozen=True)
class Units:
    """ShuffleNet units: grouped 1x1x1, shuffle, depthwise 3x3x3, grouped 1x1x1.

    Attributes:
        groups: of the grouped convolutions.
        gates: where gates go.
    """

    groups: int
    gates: Placement

    def branch(self, x, filters: int, bottleneck: int, strides: int, label: str, first_groups: int):
        x = relu(normalized(x, bottleneck, 1, 1, f"{label}_1", first_groups), f"{label}_1")
        x = ChannelShuffle(self.groups, name=f"{label}_shuffle")(x)
        # Keras has no DepthwiseConv3D: as many groups as channels are the same convolution.
        x = normalized(x, bottleneck, 3, strides, f"{label}_2", groups=bottleneck)
        x = self.gate_evenly(x, f"{label}_2")
        return normalized(x, filters, 1, 1, f"{label}_3", self.groups)

    def gate_evenly(self, x, label: str):
        """Gates the channels so that each group of the next convolution loses equally many."""
        places, parts = x.shape[-1] // self.groups, self.gates.num_groups
        one_group = [place * parts // places for place in range(places)]
        return self.gates.channels(x, label, channel_groups=one_group * self.groups)

    def halving(self, x, filters: int, label: str, first: bool):
        """Half of the sides and frames; the shortcut is pooled and concatenated."""
        added = filters - x.shape[-1]
        groups = 1 if first else self.groups  # the few channels of the stem are not grouped
        branch = self.branch(x, added, filters // 4, 2, label, groups)
        x = layers.AveragePooling3D(3, 2, padding="same", name=f"{label}_pool")(x)
        return relu(layers.Concatenate(name=f"{label}_concat")([branch, x]), label)

    def residual(self, x, label: str, open_blocks, index: int):
        branch = self.branch(x, x.shape[-1], x.shape[-1] // 4, 1, label, self.groups)
        branch = self.gates.block(branch, open_blocks, index, label)
        return relu(layers.Add(name=f"{label}_add")([x, branch]), label)


def ShuffleNet3D(
    input_shape: tuple[int, int, int, int],
    num_classes: int,
    num_groups: int = 4,
    *,
    axis: str = "width",
    width: int = 240,
    units: tuple[int, ...] = UNITS,
    shuffle_groups: int = 3,
    gate: type[Gate] | None = None,
    throttled: bool = True,
    name: str = "shufflenet3d",
) -> keras.Model:
    """The 3-D ShuffleNet of Kopuklu et al. (2019), the controller of liu2022 (Table 5).

    After a stem of 24 channels come stages of `width`, 2 and 4 `width` channels. The first unit of
    a stage halves the clip and concatenates its pooled input; the others are residual. The paper
    uses it whole, `throttled=False`, to predict u. Widthwise, the bottleneck of each unit is gated
    in groups of channels, spread evenly over the groups of its convolutions. Depthwise, residual
    units are gated as a whole, in the order of `depthwise_order`.

    For 16 frames of 100x160 and 10 actions it has 954,514 trainable parameters, liu2022's 0.955 M
    (Table 6), and its convolutions and classifier take 245.6 M MACs, 0.491 GFLOPs. Table 6 gives
    0.510 G, 3.8 % more: with the two MACs for each of 4.44 M normalised values that fvcore counts
    it is 0.509 G.

    Args:
        input_shape: `(frames, height, width, channels)` of a clip.
        num_classes: Integer, size of the output, which is a softmax.
        num_groups: Integer, the cardinality D of widthwise gating; must divide
            `width / 4 / shuffle_groups`.
        axis: "width" or "depth".
        width: Integer, channels of the first stage, more than 24; `4 * shuffle_groups` must
            divide it.
        units: number of units of each stage.
        shuffle_groups: Integer, groups of the 1x1x1 convolutions and of the channel shuffle.
        gate: class of the gates; `keras_tnn.gates.Nested` by default.
        throttled: if false, builds the vanilla twin: the same layers and weights, no gates.
        name: name of the model.

    Returns:
        A `keras_tnn.ThrottledModel` on `[image, utilization]`, where the image is a clip and
        utilization is optional; or the plain `keras.Model` on the clip.

    Raises:
        ValueError: if `axis` is unknown, or a number of groups does not divide.

    Example:

    >>> model = ShuffleNet3D((4, 16, 16, 3), 10, num_groups=2, width=48, units=(2, 1))
    >>> model.output_shape
    (None, 10)
    """
    check_groups(width, shuffle_groups, num_groups)
    clip = keras.Input(input_shape, name="image")
    utilization = utilization_input()
    gates = Placement(utilization, num_groups, gate, throttled, axis)
    residual_units = [count - 1 for count in units]
    order = depthwise_order(tuple(count for count in residual_units if count))
    open_blocks = gates.open_blocks(order)
    made, index = Units(shuffle_groups, gates), 0
    x = relu(normalized(clip, STEM, 3, (1, 2, 2), "stem"), "stem")
    x = layers.MaxPooling3D(3, 2, padding="same", name="stem_pool")(x)
    for stage, count in enumerate(residual_units):
        label = f"stage{stage + 1}_unit"
        x = made.halving(x, width * 2**stage, f"{label}1", first=stage == 0)
        for unit in range(count):
            x = made.residual(x, f"{label}{unit + 2}", open_blocks, index)
            index += 1
    x = layers.GlobalAveragePooling3D(name="pool")(x)
    outputs = layers.Dense(num_classes, activation="softmax", name="predictions")(x)
    return throttled_or_vanilla(clip, utilization, outputs, throttled, name)


def check_groups(width: int, shuffle_groups: int, num_groups: int):
    """Raises ValueError if some grouped convolution would have groups of unequal size."""
    if width <= STEM or width % (4 * shuffle_groups) or (width - STEM) % shuffle_groups:
        raise ValueError(
            f"Invalid value for `width`. Expected a multiple of 4 * shuffle_groups = "
            f"{4 * shuffle_groups} that is more than the {STEM} channels of the stem, by a "
            f"multiple of shuffle_groups = {shuffle_groups}. Received: width={width}"
        )
    places = width // 4 // shuffle_groups
    if num_groups < 1 or places % num_groups:
        raise ValueError(
            "Invalid value for `num_groups`. Expected a divisor of width / 4 / shuffle_groups = "
            f"{places}. Received: num_groups={num_groups}"
        )
