"""Keras' attention layers with a gate over their heads.

A head of weights A and values V adds A V W to the output. Attention is linear in its values, so
g A V W = A (g V) W: the gate multiplies the values, and what is closed adds nothing. The bias of
the outputs belongs to no head. At u = 1 each is the plain Keras layer, with its weights.
"""

from functools import partial

import keras
from keras import ops

from keras_tnn.layers.gated import GroupedChannels, features_of, split_inputs
from keras_tnn.layers.throttleable import document

DOCSTRING = """`keras.layers.{plain}` whose heads are gated in groups.

    The output is b + sum over heads h of g_h(x, u) A_h V_h W_h, aggregated by addition
    (hostetler2019, Eq. 2). At u = 1 this is the plain Keras layer. {more}

    Args:
        *args, **kwargs: as for `keras.layers.{plain}`.
        num_groups: Integer, the cardinality D.
        gate: `keras_tnn.gates.Gate`. Defaults to a nested gate of `num_groups`.
        min_groups: Integer, how many groups stay open at any utilization. Defaults to 1.
        channel_groups: for each {head} the number of its group, or -1 where it is always open.
            By default groups are contiguous and of one size, so D must divide the {head}s.

    Call arguments:
        query: `[features, control]`: features `(batch, positions, channels)`; control is
            utilization of shape `()` or `(batch,)`, or gates of shape `(batch, num_groups)`.
        value: tensor `(batch, positions, channels)`; the features by default.
        key: likewise; the values by default.
        query_mask, value_mask, key_mask, attention_mask, return_attention_scores, training,
        use_causal_mask: as of the plain layer.

    Input shape:
        `[features_shape, (batch,)]`, and those of values and keys where they are given.

    Output shape:
        As of the plain layer.

    Raises:
        ValueError: if `num_groups` does not divide the {head}s, or `channel_groups` does not name
            one group for each.

    Example:

    >>> layer = {name}({arguments}, num_groups=2)
    >>> x = np.ones((1, 5, 8))
    >>> layer([x, np.array([0.5])]).shape
    TensorShape([1, 5, 8])
    """


class ThrottleableHeads(GroupedChannels):
    """Mixin before an attention layer of Keras: gates the values of each head.

    Attributes:
        num_gated_heads: how many heads there are to gate, those of the values.
    """

    unit = "head"
    num_gated_heads: int

    def groups_of(self, channels):
        return super().groups_of(self.num_gated_heads)

    def __setattr__(self, name, value):
        # Not every attention layer has a public name for the layer that projects its values.
        if isinstance(value, keras.layers.EinsumDense) and value.name == "value":
            value.activation = self.gated_values
        super().__setattr__(name, value)

    def build(self, query_shape, value_shape=None, key_shape=None):
        if len(query_shape) != 2 or not isinstance(query_shape[0], (list, tuple)):
            raise ValueError(
                f"Layer '{self.name}' is called on [features, utilization], and on values and keys "
                f"where they are others. Received: query of shape {query_shape}"
            )
        features_shape, _ = query_shape
        self.check_channel_groups(self.num_gated_heads)
        super().build(features_shape, value_shape or features_shape, key_shape)
        self.build_gate(query_shape)

    def gated_values(self, values):
        """The values `(batch, ..., heads, depth)` of a call, times its gates."""
        of_heads = self.spread(self.called_with, values[..., 0])  # (batch or 1, 1, ..., heads)
        return values * ops.expand_dims(of_heads, -1)

    def call(
        self,
        query,
        value=None,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        _, control = split_inputs(self, query)
        features = query[0]  # as it came, with the mask that it carries
        self.called_with = self.open_groups(control, features, training)
        try:
            return super().call(
                features,
                features if value is None else value,
                key,
                query_mask=features_of(query_mask),
                value_mask=features_of(query_mask) if value is None else value_mask,
                key_mask=key_mask,
                attention_mask=attention_mask,
                return_attention_scores=return_attention_scores,
                training=training,
                use_causal_mask=use_causal_mask,
            )
        finally:
            self.called_with = None

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        # Keras' own methods ask with the shape of the features alone.
        with_control = isinstance(query_shape[0], (list, tuple))
        features_shape = query_shape[0] if with_control else query_shape
        return super().compute_output_shape(
            features_shape, value_shape or features_shape, key_shape
        )

    def compute_output_spec(self, query, value=None, key=None, **options):
        features = query[0]
        return super().compute_output_spec(
            features, features if value is None else value, key, **options
        )


documented = partial(document, template=DOCSTRING, more="")
register = keras.saving.register_keras_serializable(package="keras_tnn")


@register
@documented("MultiHeadAttention", "num_heads=4, key_dim=2", head="head")
class ThrottleableMultiHeadAttention(ThrottleableHeads, keras.layers.MultiHeadAttention):
    @property
    def num_gated_heads(self):
        return self.num_heads


@register
@documented(
    "GroupQueryAttention",
    "head_dim=2, num_query_heads=4, num_key_value_heads=2",
    head="head of the values",
    more="A head of keys and values\n    opens and closes with the heads of queries that share it.",
)
class ThrottleableGroupQueryAttention(ThrottleableHeads, keras.layers.GroupQueryAttention):
    @property
    def num_gated_heads(self):
        return self.num_key_value_heads
