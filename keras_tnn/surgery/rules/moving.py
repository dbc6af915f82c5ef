"""Operations that move entries about, the axis of channels where it was.

Tensors are rows of channels, one row behind another. Cutting the rows at other places, stacking
tensors, taking rows out or turning them round brings entry i of a row to an entry j of a row with
i = j modulo g, the greatest common divisor of all widths: channels run fastest.
"""

import math

import numpy as np

from keras_tnn.surgery.arguments import axes_of
from keras_tnn.surgery.calls import LAST, own_axis, width
from keras_tnn.surgery.channels import Channels, total_width
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule
from keras_tnn.surgery.rules.per_channel import after_reduction


class Moving(Rule):
    """Channels that agree modulo g open and close together, in all inputs and outputs.

    So a reshape that splits the channels into heads closes the same places in every head.
    """

    several = True
    silent = False

    def looks_at(self, call, x):
        return None

    def puts(self, call, axis):
        return axis

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
        x, rank = call.inputs[0], len(call.inputs[0].shape)
        return len(call.inputs) == 1 and rank > 1 and own_axis(x) not in axes_of(call, rank)

    def puts(self, call, axis):
        gone = len(call.inputs[0].shape) - len(call.outputs[0].shape)  # by `unstack`
        return after_reduction(call, axis) if gone else axis


@rule("Stack")
class StackRule(Moving):
    """Several tensors become rows of one."""

    def applies(self, call):
        rank = len(call.output.shape)
        return call.operation.axis % rank != own_axis(call.output)

    def puts(self, call, axis):
        rank = len(call.output.shape)
        return axis - (call.operation.axis % rank > axis % (rank - 1))


@rule("Tile", "BroadcastTo")
class RepeatedRows(Moving):
    """Rows several times over, and channels, too, where they are last."""

    def looks_at(self, call, x):
        return LAST

    def applies(self, call):
        return len(call.inputs[0].shape) > 1

    def changes(self, call, kept):
        shape = getattr(call.operation, "shape", None)
        return {"shape": (*shape[:-1], int(kept.makes.sum()))} if shape else {}


@rule("DepthToSpace", "SpaceToDepth", "ExtractPatches")
class BlocksRule(Moving):
    """Positions of a block become channels, or channels positions: (rows, columns, channels)."""

    def applies(self, call):
        return call.operation.data_format == "channels_last"

    def looks_at(self, call, x):
        return LAST

    def fill(self, call, fill):
        pads = getattr(call.operation, "padding", "valid") == "same"
        return np.where(pads & (fill != 0), np.nan, fill)
