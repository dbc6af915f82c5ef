"""A copy of a model with gates put in."""

from typing import Any

import keras
import numpy as np

from keras_tnn.layers import ChannelGate, ResidualGate, ThrottleableLayerNormalization
from keras_tnn.surgery.builder import Builder
from keras_tnn.surgery.copies import with_own_functions
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
        self.normalizations: dict[int, ThrottleableLayerNormalization] = {}
        self.tensors: dict[int, Any] = {}

    def unused(self, name: str) -> str:
        """`name`, or a longer one where the model has a layer of this name."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def gate(self, width: Width, stages: list[list[ResidualBlock]], nodes):
        """Says where gates belong, and who decides (see placer.py)."""
        self.blocks = {id(block.add): block for stage in stages for block in stage}
        self.width, self.nodes = width, nodes

    def build(self) -> ThrottledModel:
        """Makes the copy, its weights equal to the model's."""
        builder = Builder(merge_lora=False)  # fine-tuning goes on with the factors
        tensors = self.tensors = {
            id(x): keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)
            for x in self.graph.inputs
        }
        builder.masks = tensors
        inputs = add_utilization(substitute(self.graph.input_structure, tensors), self.utilization)
        for call in self.graph.calls:
            self.nodes.before(call, tensors)
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
        copy_all(builder.slices, model, new=model.gate_fronts)
        return model

    def with_block_gate(self, call: Call, read: list) -> list:
        block = self.blocks[id(call)]
        branch = next(i for i, x in enumerate(call.inputs) if x is block.branch)
        gates, index = self.nodes.for_block(call)
        gate = ResidualGate(
            num_groups=gates.shape[-1],
            index=index,
            dtype=read[branch].dtype,
            name=self.unused(f"{call.name}_gate"),
        )
        read[branch] = gate([read[branch], gates])
        return read

    def with_channel_gate(self, call: Call, old, new):
        if id(old) not in self.width.behind:
            return new
        gates, groups = self.nodes.for_channels(self.width.behind[id(old)])
        name = self.unused(f"{call.name}_gate")
        gate = ChannelGate(**arguments(gates, groups), dtype=new.dtype, name=name)
        return gate([new, gates])

    def normalization(self, call: Call, read: list, builder: Builder) -> tuple:
        """The layer normalisation of a call, as one that knows which channels are open."""
        plain = call.operation
        gates, groups = self.nodes.for_channels(self.width.within[id(call.output)])
        if id(plain) not in self.normalizations:
            config = with_own_functions(plain.get_config(), plain, {})
            config |= {**arguments(gates, groups), "name": builder.free_name(call.name)}
            self.normalizations[id(plain)] = ThrottleableLayerNormalization.from_config(config)
        layer = self.normalizations[id(plain)]
        output = layer([*read, gates])
        builder.remember(layer, plain, [(None,) for _ in plain.weights], None)
        return (output,)


def arguments(gates, groups: list[int]) -> dict:
    """The arguments of a layer that obeys `gates`; its default groups need not be written down."""
    num_groups = gates.shape[-1]
    default = np.repeat(np.arange(num_groups), len(groups) // num_groups).tolist()
    return {
        "num_groups": num_groups,
        "channel_groups": None if groups == default else groups,
    }


def add_utilization(structure, utilization):
    """The model's inputs with utilization as a further one."""
    if isinstance(structure, dict):
        return {**structure, "utilization": utilization}
    if isinstance(structure, (list, tuple)):
        return [*structure, utilization]
    return [structure, utilization]
