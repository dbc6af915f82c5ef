"""Layers that are known to need the whole of their inputs, and yield the whole of their outputs."""

from keras import layers

from keras_tnn.surgery.rule import Rule, rule


@rule(
    layers.AdditiveAttention,
    layers.Attention,
    layers.Bidirectional,
    layers.CategoryEncoding,
    layers.ConvLSTM1D,
    layers.ConvLSTM2D,
    layers.ConvLSTM3D,
    layers.Embedding,
    layers.GroupQueryAttention,
    layers.GRU,
    layers.LSTM,
    layers.Masking,
    layers.MultiHeadAttention,
    layers.RNN,
    layers.SimpleRNN,
    layers.Softmax,
    "LogSoftmax",
    "Softmax",
)
class Whole(Rule):
    """They mix channels with each other, or with themselves over time."""
