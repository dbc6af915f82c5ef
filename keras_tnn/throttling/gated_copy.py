"""A copy of a model with gates put in."""

import keras
import numpy as np

from keras_tnn.gates import Gate
from keras_tnn.layers import ChannelGate, ResidualGate, ThrottleableLayerNormalization
from keras_tnn.surgery.builder import Builder
from keras_tnn.surgery.graph import Call, Graph, substitute, tensors_in
from keras_tnn.surgery.slices import copy_all
from keras_tnn.throttling.depth import ResidualBlock
from keras_tnn.throttling.width import Width
from keras_tnn.training import ThrottledModel


class GatedCopy:
    """Repeats the calls of a graph with copies of its layers, and asks gates on the way.

    Args:
        graph: of the model.
        name: of the copy.
    """

    def __init__(self, graph: Graph, name: str):
        self.graph, self.name = graph, name
        self.taken = {x.name for x in graph.inputs} | {call.name for call in graph.calls}
        self.utilization = keras.Input((), name="utilization", optional=True)
        self.width = Width({}, {})
        self.blocks: dict[int, tuple[int, ResidualBlock]] = {}
        self.normalizations: dict[int, ThrottleableLayerNormalization] = {}
        self.open_groups = self.open_blocks = None

    def unused(self, name: str) -> str:
        """`name`, or a longer one where the model has a layer of this name."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def gate_channels(self, width: Width, gate: Gate):
        """Asks for gates over channels."""
        self.width, self.open_groups = width, gate(self.utilization)

    def gate_blocks(self, blocks: list[ResidualBlock], gate: Gate):
        """Asks for a gate on the branch of each block."""
        self.open_blocks = gate(self.utilization)
        self.blocks = {id(block.add): (i, block) for i, block in enumerate(blocks)}

    def build(self) -> ThrottledModel:
        """Makes the copy, its weights equal to the model's."""
        builder = Builder()
        tensors = {
            id(x): keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)
            for x in self.graph.inputs
        }
        inputs = with_utilization(substitute(self.graph.input_structure, tensors), self.utilization)
        for call in self.graph.calls:
            read = [tensors[id(x)] for x in call.inputs]
            if id(call) in self.blocks:
                read = self.with_block_gate(call, read)
            if id(call.output) in self.width.within:
                made = self.normalization(call, read, builder)
            else:
                made = tensors_in(builder.repeat(call, read))
            for old, new in zip(call.outputs, made, strict=True):
                tensors[id(old)] = self.with_channel_gate(call, old, new)
        outputs = substitute(self.graph.outputs, tensors)
        model = ThrottledModel(inputs, outputs, name=self.name)
        copy_all(builder.slices, model)
        return model

    def with_block_gate(self, call: Call, read: list) -> list:
        index, block = self.blocks[id(call)]
        branch = next(i for i, x in enumerate(call.inputs) if x is block.branch)
        gate = ResidualGate(
            num_groups=self.open_blocks.shape[-1],
            index=index,
            dtype=read[branch].dtype,
            name=self.unused(f"{call.name}_gate"),
        )
        read[branch] = gate([read[branch], self.open_blocks])
        return read

    def with_channel_gate(self, call: Call, old, new):
        if id(old) not in self.width.behind:
            return new
        gate = ChannelGate(
            **self.groups(self.width.behind[id(old)]),
            dtype=new.dtype,
            name=self.unused(f"{call.name}_gate"),
        )
        return gate([new, self.open_groups])

    def normalization(self, call: Call, read: list, builder: Builder) -> tuple:
        """The layer normalisation of a call, as one that knows which channels are open."""
        plain = call.operation
        groups = self.groups(self.width.within[id(call.output)])
        if id(plain) not in self.normalizations:
            layer = ThrottleableLayerNormalization.from_config({**plain.get_config(), **groups})
            self.normalizations[id(plain)] = layer
        layer = self.normalizations[id(plain)]
        output = layer([*read, self.open_groups])
        builder.remember(layer, plain, [(None,) for _ in plain.weights], None)
        return (output,)

    def groups(self, groups: list[int]) -> dict:
        """The arguments of a gated layer; what it takes by default need not be written down."""
        num_groups = self.open_groups.shape[-1]
        default = np.repeat(np.arange(num_groups), len(groups) // num_groups).tolist()
        return {
            "num_groups": num_groups,
            "channel_groups": None if groups == default else groups,
        }


def with_utilization(structure, utilization):
    """The model's inputs with utilization as a further one."""
    if isinstance(structure, dict):
        return {**structure, "utilization": utilization}
    return [*keras.tree.flatten(structure), utilization]
