"""Layers and operations that are told on which axis channels lie, by `data_format`."""

from keras_tnn.surgery.calls import LAST
from keras_tnn.surgery.rule import Rule


def by_data_format(call, x) -> int:
    """The axis of a tensor's channels, from the end: second or last."""
    first = getattr(call.operation, "data_format", None) == "channels_first"
    return 1 - len(x.shape) if first else LAST


class ByDataFormat(Rule):
    """Channels behind the samples or last, as the `data_format` of a layer or operation says."""

    def looks_at(self, call, x):
        return by_data_format(call, x)

    def puts(self, call, axis):
        return axis if len(call.output.shape) == len(call.inputs[0].shape) else LAST
