"""Attention: every query position meets every key position, then every value position.

Scores take T_query x T_key x depth of keys, the weighted sum T_query x T_key x depth of values.
The projections of queries, keys, values and outputs are dense layers. Softmax counts zero.
"""

import math

from keras import layers

from keras_tnn.surgery.arguments import argument, product
from keras_tnn.surgery.graph import Call
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Counted, Rule


@rule(layers.Attention, layers.AdditiveAttention)
class AttentionRule(Rule):
    """Of tensors as they are."""

    def macs(self, call):
        query, value, *key = argument(call, 0, "inputs")
        key = key[0] if key else value
        scored = product(call, (query.shape[1], value.shape[1]))
        return scored * (key.shape[-1] + value.shape[-1])


@rule("DotProductAttention")
class AttentionOperation(Counted):
    """Heads side by side."""

    def macs(self, call):
        # (batch, queries, heads, depth) and (batch, keys, heads, depth)
        query, key, value = (
            argument(call, i, name) for i, name in enumerate(("query", "key", "value"))
        )
        scored = product(call, (query.shape[1], key.shape[1], query.shape[2]))
        return scored * (key.shape[-1] + value.shape[-1])


def projected(call: Call) -> tuple:
    """Query, value and key of a layer that projects them."""
    query, value = argument(call, 0, "query"), argument(call, 1, "value")
    key = argument(call, 2, "key")
    return query, value, value if key is None else key


@rule(layers.MultiHeadAttention)
class MultiHeadAttentionRule(Rule):
    """Heads of projections, joined by another."""

    def macs(self, call):
        layer = call.operation
        query, value, key = projected(call)
        dense = (
            (query, layer.query_dense),
            (key, layer.key_dense),
            (value, layer.value_dense),
            (query, layer.output_dense),
        )
        projections = sum(
            product(call, tensor.shape[1:-1]) * math.prod(projection.kernel.shape)
            for tensor, projection in dense
        )
        # Axes that are not attended to act as a batch: they count once, as the query's.
        axes = layer.attention_axes or range(1, len(value.shape) - 1)
        axes = (axes,) if isinstance(axes, int) else axes
        scored = product(call, (*query.shape[1:-1], *(value.shape[axis] for axis in axes)))
        return projections + scored * layer.num_heads * (layer.key_dim + layer.value_dim)


@rule(layers.GroupQueryAttention)
class GroupQueryAttentionRule(Rule):
    """Several heads of queries share a head of keys and values."""

    def macs(self, call):
        layer = call.operation
        query, value, key = projected(call)
        # (batch, positions, channels)
        read, stored = (product(call, (x.shape[1],)) for x in (query, value))
        heads = layer.num_query_heads * layer.head_dim
        shared_heads = layer.num_key_value_heads * layer.head_dim
        gates = heads if getattr(layer, "use_gate", False) else 0
        projections = read * query.shape[-1] * (heads + gates)
        projections += stored * (key.shape[-1] + value.shape[-1]) * shared_heads
        projections += read * heads * call.outputs[0].shape[-1]
        return projections + 2 * read * stored * heads
