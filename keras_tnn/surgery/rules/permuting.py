"""Operations on the axes themselves: the channels' moves with the others, and comes back."""

import numpy as np
from keras import layers

from keras_tnn.surgery.arguments import axes_of
from keras_tnn.surgery.calls import LAST, own_axis
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rules.per_channel import PerChannel


class Permuting(PerChannel):
    """Axes change places, and the channels' with them."""

    silent = False

    def looks_at(self, call, x):
        return None

    def order(self, call, rank: int) -> list[int]:
        """Which axis of the input becomes the first of the output, and so on."""
        raise NotImplementedError(f"{type(self).__name__} must define `order`.")

    def puts(self, call, axis):
        order = self.order(call, len(call.output.shape))
        return order.index(axis % len(order)) - len(order)

    def passes_values_on(self, call):
        return False


@rule("Transpose")
class TransposeRule(Permuting):
    """All of them; in reverse where nobody says how."""

    def order(self, call, rank):
        axes = call.operation.axes
        return [axis % rank for axis in axes or reversed(range(rank))]


@rule(layers.Permute)
class PermuteRule(Permuting):
    """All of them but that of the samples."""

    def order(self, call, rank):
        return [0, *call.operation.dims]


@rule("Swapaxes")
class SwapaxesRule(Permuting):
    """Two of them."""

    def order(self, call, rank):
        a, b = call.operation.axis1 % rank, call.operation.axis2 % rank
        return [{a: b, b: a}.get(axis, axis) for axis in range(rank)]


@rule("Moveaxis")
class MoveaxisRule(Permuting):
    """Some of them, the others in their order."""

    def order(self, call, rank):
        sources, places = (
            [int(a) % rank for a in np.atleast_1d(one)]
            for one in (call.operation.source, call.operation.destination)
        )
        given = dict(zip(places, sources, strict=True))
        others = iter([axis for axis in range(rank) if axis not in sources])
        return [given[i] if i in given else next(others) for i in range(rank)]


@rule("Squeeze", "ExpandDims")
class Renaming(PerChannel):
    """The same bytes by other indices."""

    silent = False

    def looks_at(self, call, x):
        return None

    def applies(self, call):
        x = call.inputs[0]
        shrinks = len(call.output.shape) < len(x.shape)
        return not shrinks or own_axis(x) not in self.renamed(call)

    def renamed(self, call) -> set[int]:
        """The axes that come or go, of the longer of input and output."""
        longer = max((call.inputs[0], call.output), key=lambda x: len(x.shape))
        if call.operation.axis is None:
            return {i for i, size in enumerate(longer.shape) if size == 1}
        return axes_of(call, len(longer.shape))

    def puts(self, call, axis):
        before, after = len(call.inputs[0].shape), len(call.output.shape)
        left = [i for i in range(max(before, after)) if i not in self.renamed(call)]
        if after > before:
            return left[axis % before] - after
        return left.index(axis % before) - after if axis % before in left else LAST

    def passes_values_on(self, call):
        return True
