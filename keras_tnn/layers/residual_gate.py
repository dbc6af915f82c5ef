"""Depthwise gating: the branch of a residual block is switched off as a whole."""

import keras
import numpy as np
from keras import ops

from keras_tnn.layers.gated import Gated, split_inputs


@keras.saving.register_keras_serializable(package="keras_tnn")
class ResidualGate(Gated, keras.layers.Layer):
    """Gates a residual branch: g(x, u) * phi(x), to be added to its shortcut (liu2022, Eq. 3).

    With `y = keras.layers.Add()([x, ResidualGate()([phi(x), u])])` the block computes
    `phi(x) + x` when open and `x` when closed. On its own it opens at u >= 0.5 (one group). Blocks
    that open one after another share the gate of the whole network:

    ```python
    open_blocks = keras_tnn.gates.Nested(num_groups=9)(utilization)  # (batch, 9)
    branch = ResidualGate(num_groups=9, index=4)([branch, open_blocks])
    ```

    Args:
        num_groups: Integer, how many blocks the gate decides on. Defaults to 1.
        gate: `keras_tnn.gates.Gate`. Defaults to a nested gate of `num_groups`.
        min_groups: Integer, how many groups stay open at any utilization. Defaults to 0: the
            shortcut feeds the next layer.
        index: Integer in [0, num_groups), which of the gate's groups is this block.
        inverted: Boolean, whether it passes where the group is closed, y = (1 - g) * x: what takes
            the place of a skipped branch (wang2019, Eq. 1).

    Call arguments:
        inputs: `[branch, control]`: branch `(batch, ...)`; control is utilization of shape `()`
            or `(batch,)`, or gates of shape `(batch, num_groups)`.

    Input shape:
        `[(batch, ...), (batch,)]`.

    Output shape:
        `(batch, ...)`, as the branch.

    Raises:
        ValueError: if `index` is out of range.

    Example:

    >>> gate = ResidualGate()
    >>> gate([np.ones((2, 3)), np.array([0.4, 1.0])]).numpy().tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """

    default_min_groups = 0

    def __init__(
        self, num_groups=None, gate=None, min_groups=None, index=0, inverted=False, **kwargs
    ):
        if num_groups is None and gate is None:
            num_groups = 1
        super().__init__(num_groups=num_groups, gate=gate, min_groups=min_groups, **kwargs)
        if not isinstance(index, int) or not 0 <= index < self.num_groups:
            raise ValueError(
                f"Invalid value for `index`. Expected an integer in [0, {self.num_groups}). "
                f"Received: index={index!r}"
            )
        self.index = index
        self.inverted = inverted

    def build(self, input_shape):
        self.build_gate(input_shape)
        self.built = True

    def groups_of(self, channels):
        return np.full(channels, self.index)

    def call(self, inputs, training=None):
        branch, control = split_inputs(self, inputs)
        gates = self.open_groups(control, branch, training)
        gate = ops.reshape(gates[:, self.index], (-1, *(1,) * (len(branch.shape) - 1)))
        gate = 1 - gate if self.inverted else gate
        return branch * ops.cast(gate, branch.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def compute_output_spec(self, inputs, training=None):
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "index": self.index, "inverted": self.inverted}
