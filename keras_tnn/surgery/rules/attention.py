"""Attention: every query position meets every key position, then every value position.

Scores take T_query x T_key x depth of keys, the weighted sum T_query x T_key x depth of values.
The projections of queries, keys, values and outputs are dense layers. Softmax counts zero, and its
weights sum to one: of a constant it makes that constant.
"""

import math
from dataclasses import replace

import numpy as np
from keras import layers, ops

from keras_tnn.surgery.arguments import argument, product
from keras_tnn.surgery.calls import Call, width
from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Axes, Kept, Rule


def nonzero(channels: Channels) -> np.ndarray:
    return channels.alive | channels.hidden


def shared(heads: np.ndarray | None, count: int) -> np.ndarray | None:
    """The mask of heads over `count` heads, of which several share one."""
    return None if heads is None else np.repeat(heads, count // len(heads))


class Attends(Rule):
    """Queries, values and keys; what else a call reads, such as masks, it reads whole."""

    def operands(self, call: Call) -> tuple:
        """The tensors query, value and key. Keys are the values by default."""
        query, value, key = (argument(call, i, x) for i, x in enumerate(("query", "value", "key")))
        return query, value, value if key is None else key

    def applies(self, call):
        return {id(x) for x in self.operands(call)} <= {id(x) for x in call.inputs}

    def of_operands(self, call, inputs: tuple | list) -> list:
        """What belongs to query, value and key, given something for each input of the call."""
        by_tensor = dict(zip(map(id, call.inputs), inputs, strict=True))
        return [by_tensor[id(x)] for x in self.operands(call)]

    def reads(self, call, of_operands: tuple) -> tuple[np.ndarray, ...]:
        """For each input its mask, of which the operands' are given."""
        by_tensor = dict(zip(map(id, self.operands(call)), of_operands, strict=True))
        return tuple(by_tensor.get(id(x), np.ones(width(x), bool)) for x in call.inputs)

    def backward(self, call, inputs, needed):
        return list(self.keep(call, inputs, needed).reads)


@rule(layers.Attention, layers.AdditiveAttention)
class AttentionRule(Attends):
    """Of tensors as they are: a channel of the values is a channel of the output.

    Queries and keys meet channel by channel, as the factors of a `Dot` or the terms of a sum.
    """

    def operands(self, call):
        query, value, *key = argument(call, 0, "inputs")
        return query, value, key[0] if key else value

    def adds(self, call) -> bool:
        """Whether queries and keys are added, not multiplied."""
        additive = isinstance(call.operation, layers.AdditiveAttention)
        return additive or call.operation.score_mode == "concat"

    def tie(self, call, inputs, ties):
        query, value, key = self.of_operands(call, inputs)
        ties.tie(query, key)
        ties.mixed.append(call)
        return value

    def importance(self, call):
        """No weights read the channels, so none is heavier than another."""
        return [np.zeros(width(x)) for x in call.inputs]

    def forward(self, call, inputs):
        value = nonzero(self.of_operands(call, inputs)[1])
        return Channels(value, np.zeros(len(value)))  # a query mask makes zeros beside a constant

    def keep(self, call, inputs, wanted):
        known = self.of_operands(call, inputs)
        query, value, key = self.operands(call)
        meet = np.any if self.adds(call) else np.all
        scored = meet([nonzero(known[0]), nonzero(known[2])], axis=0)
        if value is query or value is key:
            wanted = scored = scored | wanted
        return Kept(self.reads(call, (scored, wanted, scored)), wanted)

    def weights(self, call, kept):
        scored = self.of_operands(call, kept.reads)[0]
        return [(scored,) * len(w.shape) for w in call.operation.weights]

    def terms(self, call):
        query, value, key = self.operands(call)
        met = product(call, (query.shape[1], value.shape[1]))
        return [met * key.shape[-1], met * value.shape[-1]]

    def axes(self, call, kept):
        return [(self.of_operands(call, kept.reads)[0],), (kept.makes,)]


@rule("DotProductAttention")
class AttentionOperation(AttentionRule):
    """The same for heads side by side, (batch, positions, heads, depth): places in all of them.

    Scores are scaled by the depth of the whole, as long as nobody says by what.
    """

    def operands(self, call):
        query, key, value = (argument(call, i, x) for i, x in enumerate(("query", "key", "value")))
        return query, value, key

    def applies(self, call):  # a bias is no operand
        return {id(x) for x in self.operands(call)} == {id(x) for x in call.inputs}

    def adds(self, call):
        return False

    def terms(self, call):
        query, value, key = self.operands(call)
        met = product(call, (query.shape[1], key.shape[1], query.shape[2]))
        return [met * key.shape[-1], met * value.shape[-1]]

    def weights(self, call, kept):
        return []

    def build(self, call, inputs, output, needed, builder):
        if argument(call, 5, "scale") is None:
            depth = self.operands(call)[0].shape[-1]
            call = replace(call, kwargs={**call.kwargs, "scale": depth**-0.5})
        return super().build(call, inputs, output, needed, builder)


@rule(layers.MultiHeadAttention, layers.GroupQueryAttention)
class HeadsRule(Attends):
    """Heads of projections, joined by another projection.

    Kernels are (channels, heads, depth); that of the outputs (heads, depth, channels). The heads
    of a kernel of keys or values may be fewer: several heads of queries share one. A head is
    gated and cut with those that share its values.
    """

    def open_heads(self, call) -> np.ndarray | None:
        """Which heads of the values are left, `(heads,)`; None for all."""
        return None

    def own_weights(self, call) -> list:
        """The weights of the layer without those of a gate."""
        return call.operation.weights

    def by_projection(self, call, name: str, of_weights: list | None = None) -> dict:
        """The kernels or biases, or what belongs to them, by what they project.

        That is query, key, value, gate or attention_output.
        """
        weights = self.own_weights(call)
        pairs = zip(weights, of_weights or weights, strict=True)
        return {w.path.split("/")[-2]: one for w, one in pairs if w.name == name}

    def read_by(self, of_operands: list | tuple) -> dict:
        """What belongs to query, value and key, by the projections that read them."""
        query, value, key = of_operands
        return {"query": query, "gate": query, "value": value, "key": key}

    def one_width(self, call) -> bool:
        """Whether Keras wants queries, values and outputs of one width."""
        return isinstance(call.operation, layers.GroupQueryAttention)

    def applies(self, call):
        joined = self.by_projection(call, "kernel")["attention_output"]
        return super().applies(call) and len(joined.shape) == 3

    def tie(self, call, inputs, ties):
        ties.mixed.append(call)
        ties.heads[id(call.output)] = ties.fresh(self.head_size(call)[0])
        query, value, _ = self.of_operands(call, inputs)
        if not self.one_width(call):
            return ties.fresh(width(call.output))
        ties.tie(query, value)
        return query

    def importance(self, call):
        """L1 norm of the weights that read each channel; a tensor counts once."""
        total = {id(x): np.zeros(width(x)) for x in call.inputs}
        readers, kernels = self.read_by(self.operands(call)), self.by_projection(call, "kernel")
        for name in kernels.keys() & readers.keys():
            kernel = np.abs(ops.convert_to_numpy(kernels[name]))
            total[id(readers[name])] += kernel.sum(axis=(1, 2))
        return [total.pop(id(x), np.zeros(width(x))) for x in call.inputs]

    def head_size(self, call) -> tuple[int, int]:
        """How many heads of values there are, and how many channels each has."""
        return tuple(self.by_projection(call, "kernel")["value"].shape[1:])

    def head_importance(self, call) -> np.ndarray:
        """L1 norm of the weights that read each head of the values, `(heads,)`."""
        joining = self.by_projection(call, "kernel")["attention_output"]
        norms = np.abs(ops.convert_to_numpy(joining)).sum(axis=(1, 2))  # (heads of queries,)
        return norms.reshape(self.head_size(call)[0], -1).sum(axis=1)

    def forward(self, call, inputs):
        value, kernels = self.of_operands(call, inputs)[1], self.by_projection(call, "kernel")
        left = self.open_heads(call)
        if (left is None or left.any()) and (value.alive.any() or "gate" in kernels):
            return super().forward(call, inputs)
        bias, made = self.by_projection(call, "bias"), value.fill
        for name, axes in (("value", 1), ("attention_output", 2)):
            if axes == 2:  # several heads share what was made: (shared heads, depth)
                made = made if left is None else made * left[:, None]
                made = np.repeat(made, kernels[name].shape[0] // len(made), axis=0)
            made = np.tensordot(made, ops.convert_to_numpy(kernels[name]), axes)
            made = made + (ops.convert_to_numpy(bias[name]) if bias else 0)
        return Channels(np.zeros(len(made), bool), made)

    def keep(self, call, inputs, wanted):
        query, value, key = map(nonzero, self.of_operands(call, inputs))
        if self.one_width(call):
            wanted = query = value = query | value | wanted
        *others, of_keys = self.operands(call)
        if any(of_keys is x for x in others):
            key = query if of_keys is others[0] else value
        return Kept(self.reads(call, (query, value, key)), wanted)

    def weights(self, call, kept):
        reads = self.read_by(self.of_operands(call, kept.reads))
        left = self.open_heads(call)
        return [self.weight(w, reads, kept.makes, left) for w in self.own_weights(call)]

    def weight(self, weight, reads: dict[str, np.ndarray], makes: np.ndarray, left) -> Axes:
        *_, projection, name = weight.path.split("/")
        if projection == "attention_output":
            # (heads, depth, channels) or (channels,)
            return (shared(left, weight.shape[0]), None, makes) if name == "kernel" else (makes,)
        # (channels, heads, depth) or (heads, depth)
        heads = (shared(left, weight.shape[-2]), None)
        return (reads[projection], *heads) if name == "kernel" else heads

    def changes(self, call, kept):
        return {} if self.one_width(call) else {"output_shape": int(kept.makes.sum())}

    def terms(self, call):
        query, value, _ = self.operands(call)
        asked, stored = (product(call, x.shape[1:-1]) for x in (query, value))
        kernels = self.by_projection(call, "kernel")
        times = {**dict.fromkeys(kernels, asked), "value": stored, "key": stored}
        projected = [times[name] * math.prod(w.shape) for name, w in kernels.items()]
        # Axes that are not attended to act as a batch: they count once, as the query's.
        attended = getattr(call.operation, "attention_axes", None) or (1,)
        met = asked * product(call, tuple(value.shape[axis] for axis in attended))
        scored, joined = kernels["query"].shape[1:], kernels["attention_output"].shape[:2]
        return [*projected, met * math.prod(scored), met * math.prod(joined)]

    def axes(self, call, kept):
        kernels = self.by_projection(call, "kernel", self.weights(call, kept))
        return [*kernels.values(), kernels["query"][1:], kernels["attention_output"][:2]]
