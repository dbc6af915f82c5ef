"""Grouped convolutions: each group of outputs reads one group of inputs, and no other."""

import numpy as np
from keras import layers, ops

from keras_tnn.surgery.calls import width
from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept
from keras_tnn.surgery.rules.convolution import Mixing, bias_of, is_plain, pads
from keras_tnn.surgery.rules.elementwise import activate, is_elementwise


@rule(layers.Conv1D, layers.Conv2D, layers.Conv3D)
class GroupedConvolutionRule(Mixing):
    """y = activation(kernel * x + bias), in several groups.

    Keras wants groups of one size. So whole groups go where nobody reads them; within the groups
    that stay, a place goes where it is free in all of them. Constants are put back as channels.
    """

    def applies(self, call):
        layer = call.operation
        return is_plain(layer) and layer.groups > 1 and is_elementwise(layer.activation)

    def by_group(self, layer, flat: np.ndarray) -> np.ndarray:
        """(channels,) -> (groups, channels of a group)."""
        return flat.reshape(layer.groups, -1)

    def parts(self, layer) -> np.ndarray:
        """(positions, inputs of a group, groups, outputs of a group)."""
        kernel = ops.convert_to_numpy(layer.kernel)
        return kernel.reshape(-1, kernel.shape[-2], layer.groups, kernel.shape[-1] // layer.groups)

    def importance(self, call):
        return [np.abs(self.parts(call.operation)).sum(axis=(0, 3)).T.reshape(-1)]

    def tie(self, call, inputs, ties):
        layer = call.operation
        labels = ties.fresh(width(call.output))
        read, made = self.by_group(layer, inputs[0]), self.by_group(layer, labels)
        if layer.groups >= ties.num_groups:  # whole groups open and close
            for column in (*read.T[1:], *made.T):
                ties.tie(read[:, 0], column)
        else:  # all groups become narrower alike
            for part in (read, made):
                for row in part[1:]:
                    ties.tie(part[0], row)
            ties.mixed.append(call)
        return labels

    def forward(self, call, inputs):
        layer, channels = call.operation, inputs[0]
        fill = self.by_group(layer, channels.fill)
        constant = np.einsum("gi,pigo->go", fill, self.parts(layer)).reshape(-1)
        varies = channels.alive | (channels.hidden & pads(layer))
        made = width(call.output) // layer.groups  # by a group
        alive = np.repeat(self.by_group(layer, varies).any(axis=1), made)
        constant = activate(layer.activation, constant + bias_of(layer))
        return Channels(alive, constant)

    def backward(self, call, inputs, needed):
        layer = call.operation
        groups = self.by_group(layer, needed).any(axis=1)
        return [np.repeat(groups, inputs[0].size // layer.groups)]

    def keep(self, call, inputs, wanted):
        layer, (channels,) = call.operation, inputs
        made = self.by_group(layer, wanted)
        varied = self.by_group(layer, channels.alive | channels.hidden)
        groups = made.any(axis=1)
        places = varied[groups].any(axis=0), made[groups].any(axis=0)  # in each group
        reads, makes = (np.outer(groups, one).reshape(-1) for one in places)
        return Kept((reads,), makes)

    def cut_kernels(self, layer, reads, makes):
        places = self.by_group(layer, reads).any(axis=0)
        return [(*(None,) * (len(layer.kernel.shape) - 2), places, makes)]

    def changes(self, call, kept):
        groups = self.by_group(call.operation, kept.makes).any(axis=1)
        return {**super().changes(call, kept), "groups": int(groups.sum())}

    def offset(self, call, inputs, kept):
        return None
