"""What every gated layer shares: it takes `[features, control]` and asks its gate which groups run.

The control input is utilization, of shape `()` or `(batch,)`, which the layer's own gate turns
into open groups; or, of shape `(batch, num_groups)`, the output of a gate that several layers
share as a node of the model.
"""

import numbers

import keras
import numpy as np
from keras import ops

from keras_tnn.gates import Gate, Nested
from keras_tnn.utilization import check_utilization


class Gated(keras.layers.Layer):
    """Mixin: a layer called on `[features, control]` with a gate over its output channels.

    Args:
        num_groups: Integer, the cardinality D; must divide the gated channels. May be left out
            when `gate` is given.
        gate: `keras_tnn.gates.Gate`. Defaults to `Nested(num_groups, min_groups=min_groups)`.
        min_groups: Integer, how many groups stay open at any utilization.
    """

    default_min_groups = 1
    unit = "channel"  # what the gate opens groups of

    def __init__(self, *args, num_groups=None, gate=None, min_groups=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.input_spec = None  # a plain layer's spec knows nothing of the control input
        self.hands_masks_on()
        if gate is None:
            if num_groups is None:
                raise ValueError(
                    f"{type(self).__name__} needs `num_groups` or `gate`. Received neither."
                )
            if min_groups is None:
                min_groups = min(self.default_min_groups, num_groups)
            gate = Nested(num_groups, min_groups=min_groups)
        elif isinstance(gate, dict):
            gate = keras.saving.deserialize_keras_object(gate)
        if not isinstance(gate, Gate):
            raise ValueError(
                "Invalid value for `gate`. Expected a keras_tnn.gates.Gate. "
                f"Received: gate={gate!r}"
            )
        if num_groups not in (None, gate.num_groups):
            raise ValueError(
                f"Invalid value for `num_groups`. Expected {gate.num_groups}, as in `gate`, or "
                f"None. Received: num_groups={num_groups!r}"
            )
        self.gate = gate
        self.num_groups = gate.num_groups

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, (list, tuple)) and isinstance(inputs[-1], numbers.Number):
            inputs = [*inputs[:-1], check_utilization(inputs[-1])]  # Keras takes tensors only
        return super().__call__(inputs, *args, **kwargs)

    def hands_masks_on(self):
        """A gate in itself hands the features' mask on; a plain layer inside does as it does."""
        bases = [cls for cls in type(self).__mro__ if not issubclass(cls, Gated)]
        if bases[0] is keras.layers.Layer:
            self.supports_masking = True

    def compute_mask(self, inputs, previous_mask):
        # One mask for the features, none for the control.
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def check_groups(self, channels: int):
        """Raises ValueError if the groups do not divide `channels`."""
        if channels is None or channels % self.num_groups:
            raise ValueError(
                f"Invalid value for `num_groups` in layer '{self.name}'. Expected a divisor of "
                f"its {channels} {self.unit}s. Received: num_groups={self.num_groups}"
            )

    def groups_of(self, channels: int) -> np.ndarray:
        """For each of `channels` its group, or -1 where it is always open: `(channels,)`."""
        return np.repeat(np.arange(self.num_groups), channels // self.num_groups)

    def spread(self, gates, features, axis=-1):
        """Gates `(batch or 1, groups)` as `(batch or 1, 1, ..., 1, channels)`, for the features.

        `axis` is that of the channels.
        """
        groups = self.groups_of(features.shape[axis]) % (self.num_groups + 1)  # -1 is the last
        gates = ops.concatenate([gates, ops.ones_like(gates[:, :1])], axis=-1)
        groups = groups.astype("int32")  # tflite-micro gathers by no other integers
        gates = ops.take(ops.cast(gates, features.dtype), groups, axis=-1)
        shape = [-1, *(1,) * (len(features.shape) - 1)]
        shape[axis] = len(groups)
        return ops.reshape(gates, shape)

    def build_gate(self, input_shape):
        """Builds the layer's own gate, unless the control input is another gate's output."""
        features_shape, control_shape = input_shape[:2]
        if len(control_shape) > 1:
            return
        if beyond := {"image", "state"} & {*self.gate.reads}:
            raise ValueError(
                f"Invalid value for `gate` of layer '{self.name}'. A layer can give the gate that "
                f"it holds utilization and features. '{self.gate.name}' reads {sorted(beyond)}. "
                "Expected it as a node of the model, whose output the layer obeys."
            )
        self.gate.build_for(control_shape, features=features_shape)

    def open_groups(self, control, features, training=None):
        """The gate's values `(batch or 1, num_groups)` for a control input of either kind."""
        if len(control.shape) < 2:
            return self.gate(control, features=features, training=training)
        if control.shape[-1] != self.num_groups:
            raise ValueError(
                f"Layer '{self.name}' has {self.num_groups} groups. Expected gates of shape "
                f"(batch, {self.num_groups}). Received: shape={tuple(control.shape)}"
            )
        return control

    def get_config(self):
        return {
            **super().get_config(),
            "num_groups": self.num_groups,
            "gate": keras.saving.serialize_keras_object(self.gate),
        }


class GroupedChannels(Gated):
    """Mixin: a gated layer whose groups of channels may be any.

    Args:
        channel_groups: for each channel the number of its group, or -1 where it is always open.
            By default groups are contiguous and of one size, so D must divide the channels.
    """

    def __init__(self, *args, channel_groups=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.channel_groups = None if channel_groups is None else list(channel_groups)

    def groups_of(self, channels):
        if self.channel_groups is None:
            return super().groups_of(channels)
        return np.array(self.channel_groups)

    def check_channel_groups(self, channels: int):
        """Raises ValueError if there is not one valid group for each channel."""
        groups = self.channel_groups
        if groups is None:
            self.check_groups(channels)
        elif len(groups) != channels or not set(groups) <= set(range(-1, self.num_groups)):
            raise ValueError(
                f"Invalid value for `channel_groups` in layer '{self.name}'. Expected {channels} "
                f"integers in [-1, {self.num_groups}), one a {self.unit}. "
                f"Received: channel_groups={groups}"
            )

    def get_config(self):
        return {**super().get_config(), "channel_groups": self.channel_groups}


class ChannelsOnAxis(GroupedChannels):
    """Mixin: as above, of channels on any axis.

    Args:
        channel_axis: Integer, on which the channels lie, such as 1 for `channels_first`. The last
            by default.
    """

    def __init__(self, *args, channel_axis=-1, **kwargs):
        super().__init__(*args, **kwargs)
        self.channel_axis = channel_axis

    def get_config(self):
        return {**super().get_config(), "channel_axis": self.channel_axis}


def split_inputs(layer, inputs):
    """Unpacks `[features, control]`, or says what was expected."""
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
        raise ValueError(
            f"Layer '{layer.name}' is called on [features, utilization]. Received: {inputs!r}"
        )
    features, control = inputs
    return ops.convert_to_tensor(features), ops.convert_to_tensor(control)


def features_of(argument):
    """Of `[features, control]`, and of what belongs to both, the part of the features."""
    return argument[0] if isinstance(argument, (list, tuple)) else argument
