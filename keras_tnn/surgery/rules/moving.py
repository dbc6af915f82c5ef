"""Operations that move entries about, with the channels last before and after.

Tensors are rows of channels, one row behind another. Cutting the rows at other places, stacking
tensors, taking rows out or turning them round brings entry i of a row to an entry j of a row with
i = j modulo g, the greatest common divisor of all widths: channels run fastest.
"""

import math

import numpy as np

from keras_tnn.surgery.calls import width
from keras_tnn.surgery.channels import Channels, total_width
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule


def is_last(axis: int, rank: int) -> bool:
    return axis % rank == rank - 1


def axes_of(call, rank: int) -> set[int]:
    """The axes that an operation works along, counted from the first; all where it names none."""
    axis = call.operation.axis
    return set(range(rank)) if axis is None else {int(a) % rank for a in np.atleast_1d(axis)}


class Moving(Rule):
    """Channels that agree modulo g open and close together, in all inputs and outputs.

    So a reshape that splits the channels into heads closes the same places in every head.
    """

    several = True
    silent = False

    def period(self, call) -> int:
        """The divisor g."""
        return math.gcd(*map(width, (*call.inputs, *call.outputs)))

    def fill(self, call, fill: np.ndarray) -> np.ndarray:
        """The output constants for input constants `fill`; NaN where they do not stay constant."""
        return fill

    def spread(self, call, flat: np.ndarray) -> np.ndarray:
        """What is said of the g places, for each channel of all outputs."""
        return np.tile(flat, total_width(call.outputs) // len(flat))

    def tie(self, call, inputs, ties):
        rows = np.concatenate(inputs).reshape(-1, self.period(call))
        for row in rows[1:]:
            ties.tie(rows[0], row)
        return self.spread(call, rows[0])

    def forward(self, call, inputs):
        all_inputs = Channels.side_by_side(inputs)
        alive, fill = (
            x.reshape(-1, self.period(call)) for x in (all_inputs.alive, all_inputs.fill)
        )
        after = self.fill(call, fill[0])
        varies = np.any(alive | (fill != fill[0]), axis=0) | np.isnan(after)
        return Channels(self.spread(call, varies), self.spread(call, after))

    def backward(self, call, inputs, needed):
        places = needed.reshape(-1, self.period(call)).any(axis=0)
        return [np.tile(places, x.size // len(places)) for x in inputs]

    def keep(self, call, inputs, wanted):
        reads = tuple(self.backward(call, inputs, wanted))
        places = wanted.reshape(-1, self.period(call)).any(axis=0)
        return Kept(reads, self.spread(call, places))

    def passes_values_on(self, call):
        return False


@rule("Flip", "Roll", "Take", "Repeat", "Split", "ArraySplit", "Unstack")
class AlongRows(Moving):
    """Along axes that are not the channels'."""

    def applies(self, call):
        alone = len(call.inputs) == 1 and len(call.inputs[0].shape) > 1
        rank = len(call.inputs[0].shape)
        return alone and rank - 1 not in axes_of(call, rank)


@rule("Stack")
class StackRule(Moving):
    """Several tensors become rows of one."""

    def applies(self, call):
        return not is_last(call.operation.axis, len(call.output.shape))


@rule("Tile", "BroadcastTo")
class RepeatedRows(Moving):
    """Rows several times over, and channels, too."""

    def applies(self, call):
        return len(call.inputs[0].shape) > 1

    def changes(self, call, kept):
        shape = getattr(call.operation, "shape", None)
        return {"shape": (*shape[:-1], int(kept.makes.sum()))} if shape else {}


@rule("Transpose")
class TransposeRule(Moving):
    """Axes change places; the channels stay last, or everything is kept whole."""

    def applies(self, call):
        axes, rank = call.operation.axes, len(call.inputs[0].shape)
        return axes is not None and is_last(axes[-1], rank)


@rule("Moveaxis", "Swapaxes")
class MovedAxes(Moving):
    """As above, with the axes that change places named."""

    def applies(self, call):
        operation, rank = call.operation, len(call.inputs[0].shape)
        pairs = ("source", "destination"), ("axis1", "axis2")
        given = [
            getattr(operation, name) for pair in pairs for name in pair if hasattr(operation, name)
        ]
        return not any(is_last(int(a), rank) for axis in given for a in np.atleast_1d(axis))


@rule("Squeeze", "ExpandDims")
class Renaming(Moving):
    """The same bytes by other indices."""

    def applies(self, call):
        longer = max((call.inputs[0], call.output), key=lambda x: len(x.shape))
        axis, rank = call.operation.axis, len(longer.shape)
        axes = [i for i, size in enumerate(longer.shape) if size == 1] if axis is None else axis
        return not any(is_last(int(a), rank) for a in np.atleast_1d(axes))

    def passes_values_on(self, call):
        return True


@rule("DepthToSpace", "SpaceToDepth", "ExtractPatches")
class BlocksRule(Moving):
    """Positions of a block become channels, or channels positions: (rows, columns, channels)."""

    def applies(self, call):
        return call.operation.data_format == "channels_last"

    def fill(self, call, fill):
        pads = getattr(call.operation, "padding", "valid") == "same"
        return np.where(pads & (fill != 0), np.nan, fill)
