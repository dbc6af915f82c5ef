"""The pieces of a network that a gate opens and closes, found in its graph.

A piece is everything that is of no use while its gate is closed: what only the gated tensor is
made from, and the layer that reads it.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_tnn.layers.channel_gate import ChannelGate
from keras_tnn.surgery.blocks import BlockPiece, Readers, find_blocks, is_sum, other_term
from keras_tnn.surgery.calls import Call, Graph, width
from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.gate_calls import groups_of
from keras_tnn.surgery.registry import rule_of
from keras_tnn.surgery.rules.convolution import ConvolutionRule, Mixing
from keras_tnn.surgery.rules.dense import DenseRule
from keras_tnn.surgery.rules.elementwise import Elementwise
from keras_tnn.surgery.rules.grouped import GroupedConvolutionRule
from keras_tnn.surgery.rules.normalization import BatchNormalizationRule
from keras_tnn.surgery.rules.per_channel import PerChannel

FOLDING = (ConvolutionRule, DenseRule)  # their kernels have the outputs on the last axis


@dataclass(frozen=True)
class ChannelPiece:
    """`end` = `base` + sum_k g_k f_k(x), with one term for each group of the gated channels.

    Attributes:
        gate: the call of the `ChannelGate`.
        start: the tensor x.
        calls: from `start` to the layer that reads the gated channels, in running order.
        norm: a batch normalisation of the sum, which can be folded into the terms; or None.
        add: a call that adds the sum to a shortcut, where the terms can start; or None.
    """

    gate: Call
    start: Any
    calls: tuple[Call, ...]
    norm: Call | None
    add: Call | None

    @property
    def reader(self) -> Call:
        """The call of the layer that reads the gated channels."""
        return self.calls[-1]

    @property
    def end(self):
        """The tensor that the piece ends in."""
        return (self.add or self.norm or self.reader).output

    @property
    def base(self):
        """The tensor that the sum is added to, or None."""
        made = (self.norm or self.reader).output
        return None if self.add is None else other_term(self.add, made)


class Pieces(Readers):
    """Finds the pieces of a graph.

    Args:
        graph: of a model in which gates that read the data are tensors.

    Attributes:
        of_end: for the `id` of the tensor that a piece ends in, the piece.
    """

    def __init__(self, graph: Graph):
        super().__init__(graph)
        self.of_end: dict[int, BlockPiece | ChannelPiece] = {}
        inside = set()
        for block in find_blocks(graph):
            if id(block.gate) not in inside:  # what is in a block is found in its own graph
                self.of_end[id(block.end)] = block
                inside |= {id(call) for call in (*block.calls, block.gate)}
                inside.add(id(graph.made_by[id(block.end)]))
        for call in graph.calls:
            if isinstance(call.operation, ChannelGate) and id(call) not in inside:
                self.add_channels(call, inside)

    def add_channels(self, gate: Call, inside: set[int]):
        """Adds a piece for each layer that reads the gated channels and mixes them."""
        for after in self.paths_to_mixing(gate):
            if any(id(call) in inside for call in after) or not stay_zero(after[1:-1]):
                continue
            private = all(self.only_reader(call.output) for call in after[:-1])
            before = self.private_chain(gate) if private else []
            calls, reader = (*before, *after), after[-1]
            norm = self.norm_of(reader)
            add = self.add_of(norm or reader, reader.operation)
            piece = ChannelPiece(gate, calls[0].inputs[0], calls, norm, add)
            self.of_end[id(piece.end)] = piece

    def paths_to_mixing(self, call: Call) -> list[list[Call]]:
        """The ways from a call to those that mix channels, through calls that keep them."""
        paths = []
        for reader in filter(None, self.read_by[id(call.output)]):
            if mixes(reader):
                paths.append([call, reader])
            elif keeps_channels(reader):
                paths += [[call, *path] for path in self.paths_to_mixing(reader)]
        return paths

    def private_chain(self, gate: Call) -> list[Call]:
        """The calls that serve the gate alone, back to the layer that makes its channels."""
        calls: list[Call] = []
        tensor = gate.inputs[0]
        while len(self.read_by[id(tensor)]) == 1 and id(tensor) not in self.of_end:
            call = self.graph.made_by.get(id(tensor))
            if call is None or not (mixes(call) or keeps_channels(call) or splits(call, gate)):
                break
            calls.insert(0, call)
            tensor = call.inputs[0]
            if mixes(call):
                break
        return calls

    def norm_of(self, reader: Call) -> Call | None:
        """The batch normalisation that alone reads a linear layer's output."""
        norm = self.only_reader(reader.output)
        if norm is None or not is_linear(reader.operation) or type(rule_of(reader)) not in FOLDING:
            return None
        return norm if isinstance(rule_of(norm), BatchNormalizationRule) else None

    def add_of(self, last: Call, reader) -> Call | None:
        """The call that adds the output of the last call to another tensor of its shape."""
        add = self.only_reader(last.output)
        if add is None or not is_sum(add) or not is_linear(reader) or id(add.output) in self.of_end:
            return None
        other = other_term(add, last.output)
        return add if other is not None and other.shape == last.output.shape else None


def is_linear(layer) -> bool:
    return layer.activation in (None, keras.activations.linear)


def stay_zero(calls: list[Call]) -> bool:
    """Whether channels that are zero still are after calls that keep channels."""
    for call in calls:
        size = width(call.inputs[0])
        zeros = Channels(np.zeros(size, bool), np.zeros(size, "float32"))
        after = rule_of(call).forward(call, [zeros])
        if after.alive.any() or after.hidden.any():
            return False
    return True


def keeps_channels(call: Call) -> bool:
    """Whether each output channel depends on one channel of one tensor."""
    alone = len(call.sources) == 1
    return alone and isinstance(rule_of(call), (PerChannel, Elementwise))


def mixes(call: Call) -> bool:
    """Whether each output is a sum over all input channels."""
    one = rule_of(call)
    return isinstance(one, Mixing) and not isinstance(one, GroupedConvolutionRule)


def splits(call: Call, gate: Call) -> bool:
    """Whether a call is a grouped convolution of which each group serves one of the gate's."""
    if not isinstance(rule_of(call), GroupedConvolutionRule):
        return False
    groups = groups_of(gate)
    if len(groups) != width(call.output):
        return False
    rows = groups.reshape(call.operation.groups, -1)
    return bool((rows == rows[:, :1]).all())
