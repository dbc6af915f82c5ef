"""Attention whose heads are gated: cut, it is the plain layer with the heads that are open."""

from dataclasses import replace

import numpy as np

from keras_tnn.layers.gated import features_of
from keras_tnn.layers.throttleable_attention import ThrottleableHeads
from keras_tnn.surgery.arguments import argument
from keras_tnn.surgery.gate_calls import groups_of
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rules.attention import HeadsRule
from keras_tnn.surgery.rules.gating import check_known, gate_values


@rule(ThrottleableHeads)
class GatedHeadsRule(HeadsRule):
    """Called on `[query, control]`, `value` and `key`; values are the queries by default."""

    def operands(self, call):
        query, value, key = (argument(call, i, x) for i, x in enumerate(("query", "value", "key")))
        query = features_of(query)
        value = query if value is None else value
        return query, value, value if key is None else key

    def open_heads(self, call):
        """Where the gate is known: those that it opens.

        Raises:
            ValueError: if the gate has values other than zero and one.
        """
        if not call.known:
            return None
        values = np.append(gate_values(call), 1)[groups_of(call)]  # -1 is always open
        if not np.isin(values, (0, 1)).all():
            raise ValueError(
                f"The gate of the heads of layer '{call.name}' has values other than 0 and 1, "
                "which its weights cannot hold. Expected a gate with normalize=False. "
                f"Received: {sorted({*values.tolist()})}"
            )
        return values != 0

    def own_weights(self, call):
        of_gate = {id(w) for w in call.operation.gate.weights}
        return [w for w in call.operation.weights if id(w) not in of_gate]

    def changes(self, call, kept):
        left, layer = int(self.open_heads(call).sum()), call.operation
        if not self.one_width(call):
            return {**super().changes(call, kept), "num_heads": left}
        return {
            "num_query_heads": left * layer.num_query_heads // layer.num_key_value_heads,
            "num_key_value_heads": left,
        }

    def build(self, call, inputs, output, needed, builder):
        check_known(call)
        # The plain layer wants its values named.
        options = {name: x for name, x in call.kwargs.items() if name not in ("query", "value")}
        plain = replace(call, args=(*self.operands(call)[:2], *call.args[2:]), kwargs=options)
        return super().build(plain, inputs, output, needed, builder)
