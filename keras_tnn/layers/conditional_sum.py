"""Conditional execution: a sum of which a sample computes only the terms that its gates open."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_tnn")
class ConditionalSum(keras.layers.Layer):
    """y = base + sum_k g_k f_k(x), where a term whose gate is closed is not computed.

    What gated blocks (liu2022, Eq. 3) and gated groups of channels (Eq. 2) come to at inference.
    At a batch size of one, each term stands in a `keras.ops.cond`, of which TFLite makes an `IF`:
    a closed term costs one copy of the sum so far. Otherwise all terms are computed and
    multiplied by their gates, which gives the same numbers. With all gates open it is the plain
    sum. `keras_tnn.surgery.conditional` makes these layers.

    Args:
        terms: list of `keras.Model`, the functions f_k: all on the same inputs, with outputs of
            one shape.
        groups: list of integers, for each term the column of its gate.
        use_bias: Boolean, whether a weight is added, one number a channel. It must be where the
            layer is called without a base.

    Call arguments:
        inputs: tensor, or list of tensors, that the terms read.
        gates: `(batch, num_groups)`, zeros and ones.
        base: tensor of the terms' output shape, such as the shortcut of a residual block. May be
            left out.

    Output shape:
        That of each term, `(batch, ..., channels)`.

    Raises:
        ValueError: if `terms` is empty, or `groups` does not name one column for each of them.

    Example:

    >>> x = keras.Input((3,))
    >>> terms = [keras.Model(x, factor * x) for factor in (10.0, 100.0)]
    >>> layer = ConditionalSum(terms, groups=[0, 1])
    >>> ones = np.ones((1, 3), "float32")
    >>> layer(ones, gates=np.array([[0.0, 1.0]]), base=ones).numpy().tolist()
    [[101.0, 101.0, 101.0]]
    """

    def __init__(self, terms, groups, use_bias=False, **kwargs):
        super().__init__(**kwargs)
        self.terms = [
            keras.saving.deserialize_keras_object(term) if isinstance(term, dict) else term
            for term in terms
        ]
        self.groups = [int(group) for group in groups]
        if not self.terms or len(self.groups) != len(self.terms):
            raise ValueError(
                "Invalid value for `groups`. Expected one column of the gates for each term, and "
                f"at least one term. Received: {len(self.terms)} terms and groups={groups}"
            )
        self.use_bias = use_bias
        inside = [layer for term in self.terms for layer in term.layers]
        inside = [layer for layer in inside if not isinstance(layer, keras.layers.InputLayer)]
        self.supports_masking = all(layer.supports_masking for layer in inside)
        for term in self.terms:
            term.supports_masking = True  # what is in a term sees the mask, and may hand it on

    def compute_mask(self, inputs, previous_mask):
        """What the terms read carries the mask that they, and the shortcut beside them, hand on."""
        return next((mask for mask in keras.tree.flatten(previous_mask) if mask is not None), None)

    def build(self, inputs_shape, gates_shape, base_shape=None):
        if base_shape is None and not self.use_bias:
            raise ValueError(
                f"Layer '{self.name}' has nothing to start its sum from. Expected the call "
                "argument `base`, or use_bias=True."
            )
        if self.use_bias:
            channels = self.terms[0].output_shape[-1]
            self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs, gates, base=None):
        first = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        skips = first.shape[0] == 1
        total = base
        if self.use_bias:
            bias = ops.cast(self.bias, self.compute_dtype)
            total = bias if base is None else base + bias
        for term, group in zip(self.terms, self.groups, strict=True):
            # With no base the sum so far is `(channels,)`: the first term gives it its shape.
            if skips:
                total = self.add_if_open(total, term, inputs, gates[0, group])
            else:
                total = total + self.scale(gates[:, group], term(inputs, training=False))
        return total

    def scale(self, gate, term):
        """Each sample of a term times its gate, `(batch,)`."""
        return ops.reshape(ops.cast(gate, term.dtype), (-1, *(1,) * (len(term.shape) - 1))) * term

    def add_if_open(self, total, term, inputs, gate):
        # The sum is handed through the condition: a closed branch that makes zeros, to be added
        # outside, costs twice as much.
        shape = (1, *term.output_shape[1:])
        return ops.cond(
            gate > 0.5,
            lambda: total + term(inputs, training=False),
            lambda: ops.broadcast_to(total, shape),
        )

    def compute_output_spec(self, inputs, gates, base=None):
        first = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        shape = (first.shape[0], *self.terms[0].output_shape[1:])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        terms = [keras.saving.serialize_keras_object(term) for term in self.terms]
        return {
            **super().get_config(),
            "terms": terms,
            "groups": self.groups,
            "use_bias": self.use_bias,
        }
