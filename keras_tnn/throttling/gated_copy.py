"""A copy of a model with gates put in."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_tnn.layers import (
    ChannelGate,
    ResidualGate,
    ThrottleableGroupNormalization,
    ThrottleableGroupQueryAttention,
    ThrottleableLayerNormalization,
    ThrottleableMultiHeadAttention,
    ThrottleableRMSNormalization,
)
from keras_tnn.layers.open_normalization import OpenNormalization
from keras_tnn.surgery.builder import Builder
from keras_tnn.surgery.calls import Call, Graph, channel_axis, substitute, tensors_in
from keras_tnn.surgery.copies import with_own_functions
from keras_tnn.surgery.slices import copy_all
from keras_tnn.throttling.depth import ResidualBlock
from keras_tnn.throttling.rows import rows_per_sample
from keras_tnn.throttling.width import Width
from keras_tnn.training import ThrottledModel

# In place of each kind of normalisation over channels, one that knows which of them are open.
OPEN = {
    keras.layers.LayerNormalization: ThrottleableLayerNormalization,
    keras.layers.RMSNormalization: ThrottleableRMSNormalization,
    keras.layers.GroupNormalization: ThrottleableGroupNormalization,
}


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
        self.rows = rows_per_sample(graph)
        self.obeying: dict[int, keras.layers.Layer] = {}  # in place of a layer, by its `id`
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
            elif id(call.output) in self.width.heads:
                made = self.attention(call, read, builder)
            else:
                made = tensors_in(builder.repeat(call, read))
            for old, new in zip(call.outputs, made, strict=True):
                tensors[id(old)] = self.with_channel_gate(call, old, new)
        outputs = substitute(self.graph.outputs, tensors)
        model = ThrottledModel(inputs, outputs, name=self.name)
        copy_all(builder.slices, model, new=model.gate_fronts)
        return model

    def for_rows(self, gates, tensor):
        """The gates once for each row that a sample has in a tensor."""
        rows = self.rows[id(tensor)]
        return gates if rows == 1 else ops.repeat(gates, rows, axis=0)

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
        gates = self.for_rows(gates, old)
        name = self.unused(f"{self.gated(call, old)}_gate")
        settings = arguments(gates, groups)
        axis = channel_axis(old)
        gate = ChannelGate(**settings, channel_axis=axis, dtype=new.dtype, name=name)
        return gate([new, gates])

    def gated(self, call: Call, old) -> str:
        """The layer whose channels a gate closes, though it stands behind an activation or pooling.

        Where several make them together, as in a residual stream, the layer that it stands behind.
        """
        numbers = set(self.width.behind[id(old)])
        families = [one for one in self.width.families if not numbers.isdisjoint(one.numbers)]
        makers = [maker for one in families for maker in one.makers]
        return makers[0].name if len(makers) == 1 else call.name

    def normalization(self, call: Call, read: list, builder: Builder) -> tuple:
        """The normalisation of a call, as one that knows which channels are open."""
        gates, groups = self.nodes.for_channels(self.width.within[id(call.output)])
        gates = self.for_rows(gates, call.output)
        kind = next(kind for plain, kind in OPEN.items() if isinstance(call.operation, plain))
        layer = self.layer_obeying(call, kind, gates, groups, builder)
        output = layer([*read, gates])
        remember_all(builder, layer, call.operation)
        return (output,)

    def attention(self, call: Call, read: list, builder: Builder) -> tuple:
        """The attention layer of a call, as one that knows which heads are open."""
        grouped = isinstance(call.operation, keras.layers.GroupQueryAttention)
        kind = ThrottleableGroupQueryAttention if grouped else ThrottleableMultiHeadAttention
        gates, groups = self.nodes.for_channels(self.width.heads[id(call.output)])
        gates = self.for_rows(gates, call.output)
        layer = self.layer_obeying(call, kind, gates, groups, builder)
        fresh = {id(old): new for old, new in zip(call.inputs, read, strict=True)}
        args, kwargs = substitute((call.args, call.kwargs), {**builder.masks, **fresh})
        query = args[0] if args else kwargs.pop("query")
        output = layer([query, gates], *args[1:], **kwargs)
        remember_all(builder, layer, call.operation)
        return (output,)

    def layer_obeying(self, call: Call, kind, gates, groups: list[int], builder: Builder):
        """The layer of a call as one of a `kind` that obeys gates; a shared one once."""
        plain = call.operation
        if id(plain) not in self.obeying:
            config = with_own_functions(plain.get_config(), plain, {})
            config |= {**arguments(gates, groups), "name": builder.free_name(call.name)}
            if issubclass(kind, OpenNormalization):
                config["channel_axis"] = channel_axis(call.output)
            self.obeying[id(plain)] = kind.from_config(config)
        return self.obeying[id(plain)]


def remember_all(builder: Builder, layer, plain):
    """All weights of a layer, whole, are those of the plain one."""
    builder.remember(layer, plain, [(None,) * len(w.shape) for w in plain.weights], None)


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
