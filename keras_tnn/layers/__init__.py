"""Layers obey: they compute `g * f(x)` for the groups that a gate opens."""

from keras_tnn.layers.channel_gate import ChannelGate
from keras_tnn.layers.channel_shuffle import ChannelShuffle
from keras_tnn.layers.conditional_sum import ConditionalSum
from keras_tnn.layers.for_each_sample import ForEachSample
from keras_tnn.layers.grouped_sum import GroupedSum
from keras_tnn.layers.hard_gate import HardGate
from keras_tnn.layers.parameter import Parameter
from keras_tnn.layers.residual_gate import ResidualGate
from keras_tnn.layers.selected_channels import SelectedChannels
from keras_tnn.layers.throttleable import (
    ThrottleableConv1D,
    ThrottleableConv2D,
    ThrottleableConv3D,
    ThrottleableDense,
    ThrottleableDepthwiseConv2D,
    ThrottleableSeparableConv2D,
)
from keras_tnn.layers.throttleable_attention import (
    ThrottleableGroupQueryAttention,
    ThrottleableMultiHeadAttention,
)
from keras_tnn.layers.throttleable_normalization import (
    ThrottleableGroupNormalization,
    ThrottleableLayerNormalization,
    ThrottleableRMSNormalization,
)

__all__ = [
    "ChannelGate",
    "ChannelShuffle",
    "ConditionalSum",
    "ForEachSample",
    "GroupedSum",
    "HardGate",
    "Parameter",
    "ResidualGate",
    "SelectedChannels",
    "ThrottleableConv1D",
    "ThrottleableConv2D",
    "ThrottleableConv3D",
    "ThrottleableDense",
    "ThrottleableDepthwiseConv2D",
    "ThrottleableGroupQueryAttention",
    "ThrottleableGroupNormalization",
    "ThrottleableLayerNormalization",
    "ThrottleableMultiHeadAttention",
    "ThrottleableRMSNormalization",
    "ThrottleableSeparableConv2D",
]
