"""The pass: a graph again, with a `ConditionalSum` in place of every gated piece."""

import warnings
from dataclasses import replace

import keras
import numpy as np

from keras_tnn.layers.channel_gate import ChannelGate
from keras_tnn.layers.conditional_sum import ConditionalSum
from keras_tnn.layers.hard_gate import HardGate
from keras_tnn.layers.residual_gate import ResidualGate
from keras_tnn.surgery.blocks import BlockPiece
from keras_tnn.surgery.calls import Call, Graph, substitute, tensors_in, width
from keras_tnn.surgery.copies import copy_of
from keras_tnn.surgery.cut import cut_known
from keras_tnn.surgery.gate_calls import groups_of
from keras_tnn.surgery.pieces import ChannelPiece, Pieces, is_linear
from keras_tnn.surgery.registry import rule_of
from keras_tnn.surgery.rules.joining import ConcatenateRule
from keras_tnn.surgery.slices import copy_all

OPEN = -1  # the group of channels that are always open


def skipping(graph: Graph, name: str) -> keras.Model:
    """A model of the graph in which closed pieces are skipped. It shares the layers outside them.

    Args:
        graph: of a plain model with `HardGate`s that `ChannelGate`s and `ResidualGate`s obey.
        name: of the new model.
    """
    pieces = Pieces(graph)
    steps = [step_of(call, pieces) for call in graph.calls]
    needed = {id(x) for x in tensors_in(graph.outputs)}
    kept = []
    for step in reversed(steps):
        if any(id(x) in needed for x in step.outputs):
            needed |= {id(x) for x in step.inputs}
            kept.append(step)
    warn_of_masks(kept, pieces)
    tensors = {
        id(x): keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in graph.inputs
    }
    inputs = substitute(graph.input_structure, tensors)
    for step in reversed(kept):
        made = tensors_in(step.make(tensors))
        tensors |= {id(old): new for old, new in zip(step.outputs, made, strict=True)}
    return keras.Model(inputs, substitute(graph.outputs, tensors), name=name)


def step_of(call: Call, pieces: Pieces):
    """What makes the call's outputs: a piece that ends there, or the call itself."""
    piece = pieces.of_end.get(id(call.outputs[0]))
    if isinstance(piece, BlockPiece):
        return BlockStep(piece)
    if isinstance(piece, ChannelPiece):
        return ChannelStep(piece, always_open(piece.gate.inputs[1], pieces))
    return CallStep(call)


def warn_of_masks(steps: list, pieces: Pieces):
    gates = [step.call for step in steps if isinstance(step, CallStep) and step.is_gate]
    skipped = {id(piece.gate) for piece in pieces.of_end.values()}  # for one of its readers
    masked = [call.name for call in gates if id(call) not in skipped]
    if masked:
        warnings.warn(
            f"What the layers {sorted(masked)} close is computed and multiplied by zero, not "
            "skipped. Expected gated channels that a convolution or dense layer reads, and gated "
            "branches that are added to a shortcut.",
            UserWarning,
            stacklevel=4,
        )


class CallStep:
    """A call, made again with the same layer."""

    def __init__(self, call: Call):
        self.call, self.inputs, self.outputs = call, call.sources, call.outputs
        # What passes where a group is closed is there anyway.
        inverted = getattr(call.operation, "inverted", False)
        self.is_gate = isinstance(call.operation, (ChannelGate, ResidualGate)) and not inverted

    def make(self, tensors: dict):
        args, kwargs = substitute((self.call.args, self.call.kwargs), tensors)
        return self.call.operation(*args, **kwargs)


class BlockStep:
    """A residual branch: one term, in which there may be gates again."""

    def __init__(self, piece: BlockPiece):
        self.piece = piece
        made = {id(x) for call in piece.calls for x in call.outputs}
        read = {id(x): x for call in piece.calls for x in call.sources if id(x) not in made}
        self.features = list(read.values())
        self.inputs = (*self.features, piece.gate.inputs[1], piece.base)
        self.outputs = (piece.end,)

    def make(self, tensors: dict):
        gate, branch = self.piece.gate.operation, self.piece.gate.inputs[0]
        structure = self.features if len(self.features) > 1 else self.features[0]
        graph = Graph(tuple(self.features), self.piece.calls, branch, structure)
        term = skipping(graph, name=f"{gate.name}_term")
        layer = ConditionalSum([term], [gate.index], dtype=gate.dtype_policy, name=gate.name)
        return layer(
            substitute(structure, tensors),
            gates=tensors[id(self.piece.gate.inputs[1])],
            base=tensors[id(self.piece.base)],
        )


class ChannelStep:
    """Groups of channels: a term for each, from the layer that makes it to the one that reads it.

    Args:
        piece: the piece.
        always: columns of the gates that are always one.
    """

    def __init__(self, piece: ChannelPiece, always: set[int]):
        self.piece = piece
        self.control = piece.gate.inputs[1]
        bases = () if piece.base is None else (piece.base,)
        self.inputs, self.outputs = (piece.start, self.control, *bases), (piece.end,)
        groups = set(groups_of(piece.gate).tolist())
        self.base_groups = groups & ({OPEN} | always)
        self.term_groups = sorted(groups - self.base_groups)
        layer = piece.reader.operation
        self.scale, shift = np.float32(1), np.float32(0)
        if piece.norm is not None:
            self.scale, shift = affine(piece.norm.operation)
        bias = keras.ops.convert_to_numpy(layer.bias) if layer.use_bias else np.float32(0)
        self.bias = np.broadcast_to(bias * self.scale + shift, (width(piece.reader.output),))

    def make(self, tensors: dict):
        x, gates = tensors[id(self.piece.start)], tensors[id(self.control)]
        reader = self.piece.reader.operation
        total = tensors.get(id(self.piece.base))
        if self.base_groups:
            always = self.term(self.base_groups, f"{reader.name}_base", bias=True)(x)
            total = always if total is None else keras.layers.Add()([total, always])
        terms = [self.term({group}, f"{reader.name}_{group}") for group in self.term_groups]
        if terms:
            layer = ConditionalSum(
                terms,
                self.term_groups,
                use_bias=not self.base_groups,
                dtype=reader.dtype_policy,
                name=f"{reader.name}_sum",
            )
            total = layer(x, gates=gates, base=total)
            if layer.use_bias:
                layer.bias.assign(self.bias)
        if is_linear(reader):
            return total
        return keras.layers.Activation(reader.activation, name=f"{reader.name}_activation")(total)

    def term(self, groups: set[int], name: str, bias: bool = False) -> keras.Model:
        """What reaches the reader's output through some groups."""
        start, control, reader = self.piece.start, self.control, self.piece.reader
        linear = replace(reader, operation=self.linear(bias))
        calls = (*(self.closable(call) for call in self.piece.calls[:-1]), linear)
        graph = Graph((start, control), calls, reader.output, start)
        pattern = np.zeros(width(control) + 1, "float32")
        pattern[list(groups)] = 1
        result = cut_known(graph, {id(control): pattern[None]}, name)
        copy_all(result.slices, result.model)
        return result.model

    def closable(self, call: Call) -> Call:
        """The gate with a last column for the channels that are always open; others unchanged."""
        if call is not self.piece.gate:
            return call
        groups, columns = groups_of(call), width(self.control)
        groups = np.where(groups == OPEN, columns, groups).tolist()
        return replace(call, operation=ChannelGate(num_groups=columns + 1, channel_groups=groups))

    def linear(self, bias: bool) -> keras.layers.Layer:
        """The reader without its activation, what follows folded in; its bias if asked for."""
        old = self.piece.reader.operation
        layer = copy_of(old, {"use_bias": bias, "activation": None})
        layer.build(self.piece.reader.inputs[0].shape)
        kernels = [w for w in old.weights if not old.use_bias or w is not old.bias]
        kernels = [keras.ops.convert_to_numpy(w) for w in kernels]
        for new, kernel in zip(layer.weights, kernels, strict=False):
            new.assign(kernel)
        layer.weights[len(kernels) - 1].assign(kernels[-1] * self.scale)
        if bias:
            layer.bias.assign(self.bias)
        return layer


def affine(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift a channel of a batch normalisation at inference."""
    to_numpy = keras.ops.convert_to_numpy
    scale = 1 / np.sqrt(to_numpy(norm.moving_variance) + norm.epsilon)
    scale = scale * to_numpy(norm.gamma) if norm.scale else scale
    shift = -to_numpy(norm.moving_mean) * scale
    return scale, shift + to_numpy(norm.beta) if norm.center else shift


def always_open(control, pieces: Pieces) -> set[int]:
    """The columns of some gates that are one for every sample."""
    call = pieces.graph.made_by.get(id(control))
    if call is None:
        return set()
    if isinstance(call.operation, HardGate):
        gate = call.operation.gate
        return set(range(gate.num_groups)) - set(gate.free)
    if isinstance(rule_of(call), ConcatenateRule):
        columns, offset = set(), 0
        for x in call.inputs:
            columns |= {offset + column for column in always_open(x, pieces)}
            offset += width(x)
        return columns
    return set()
