"""Operations that take some channels of a tensor, or bring them into another order."""

import numpy as np
from keras import ops

from keras_tnn.layers.selected_channels import take_channels
from keras_tnn.surgery.arguments import argument, axes_of
from keras_tnn.surgery.calls import LAST, channel_axis, own_axis, width
from keras_tnn.surgery.channels import Channels, CutTensor, by_tensor
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule, cut_tensors

LARGE = 2**20  # stands for a size that is not known


class Selecting(Rule):
    """Each output channel is a channel of the input, at the same position. Subclasses say which."""

    several = True
    silent = False
    takes = True

    def looks_at(self, call, x):
        return None

    def puts(self, call, axis):
        return axis

    def source(self, call) -> np.ndarray:
        """For each channel of all outputs, that of the input."""
        raise NotImplementedError(f"{type(self).__name__} must define `source`.")

    def take(self, call, tensor, places: np.ndarray):
        """Makes the call again, with these channels of what is left of the input."""
        return take_channels(tensor, places, channel_axis(call.inputs[0]))

    def read(self, call, inputs, made: np.ndarray) -> np.ndarray:
        read = np.zeros(inputs[0].size, bool)
        read[self.source(call)[made]] = True
        return read

    def tie(self, call, inputs, ties):
        taken = inputs[0][self.source(call)]
        parts = by_tensor(taken, call.outputs)
        ties.parts += [part for part in parts if len(part) < len(inputs[0])]
        return taken

    def forward(self, call, inputs):
        source = self.source(call)
        return Channels(inputs[0].alive[source], inputs[0].fill[source])

    def backward(self, call, inputs, needed):
        return [self.read(call, inputs, needed)]

    def keep(self, call, inputs, wanted):
        return Kept((self.read(call, inputs, wanted),), wanted)

    def passes_values_on(self, call):
        return False

    def build(self, call, inputs, output, needed, builder):
        makes, (piece,) = output.alive & needed, inputs
        read = np.flatnonzero(self.read(call, [piece.channels], makes))
        there = np.isin(read, piece.kept).all()
        kept, tensor = (piece.kept, piece.tensor) if there else (read, piece.align(read, call.name))
        tensor = self.take(call, tensor, np.searchsorted(kept, self.source(call)[makes]))
        sizes = [int(one.sum()) for one in by_tensor(makes, call.outputs)]
        parts = in_parts(tensor, sizes, channel_axis(call.outputs[0]))
        return cut_tensors(call, parts, makes, output)


def in_parts(tensor, sizes: list[int], axis: int) -> list:
    """A tensor split along its channels, with None where nothing is left."""
    left = [size for size in sizes if size]
    if len(left) < 2:
        return [tensor if size else None for size in sizes]
    parts = iter(ops.split(tensor, np.cumsum(left)[:-1].tolist(), axis=axis))
    return [next(parts) if size else None for size in sizes]


class AlongChannels(Selecting):
    """What an operation does along their axis alone, it does to the numbers of channels."""

    def applies(self, call):
        x, rank = call.inputs[0], len(call.inputs[0].shape)
        return len(call.inputs) == 1 and rank > 1 and axes_of(call, rank) == {own_axis(x)}


@rule("Split", "ArraySplit")
class SplitRule(AlongChannels):
    """Outputs side by side are the input."""

    takes = False

    def source(self, call):
        return np.arange(width(call.inputs[0]))

    def keep(self, call, inputs, wanted):
        kept = super().keep(call, inputs, wanted)
        left = [one.any() for one in by_tensor(wanted, call.outputs)]
        return kept if all(left) or len(left) > 2 else kept.nothing()  # one alone is the input


@rule("Flip")
class FlipRule(AlongChannels):
    """The last channel first."""

    def source(self, call):
        return np.arange(width(call.inputs[0]))[::-1]


@rule("Roll")
class RollRule(AlongChannels):
    """Those that go out at one end come in at the other."""

    def source(self, call):
        return np.roll(np.arange(width(call.inputs[0])), call.operation.shift)


@rule("Repeat")
class RepeatRule(AlongChannels):
    """Each several times."""

    def source(self, call):
        return np.repeat(np.arange(width(call.inputs[0])), call.operation.repeats)


@rule("Take")
class TakeRule(AlongChannels):
    """Those that are named."""

    def applies(self, call):
        return super().applies(call) and np.ndim(argument(call, 1, "indices")) == 1

    def source(self, call):
        return np.arange(width(call.inputs[0]))[np.asarray(argument(call, 1, "indices"))]


@rule("GetItem")
class GetItemRule(Selecting):
    """`x[:, ::2, ..., 4:8]`: a slice of the channels, and anything of the other axes."""

    def index(self, call) -> tuple:
        key = argument(call, 1, "key")
        return tuple(key) if isinstance(key, (tuple, list)) else (key,)

    def puts(self, call, axis):
        taken = self.taken(call, axis)
        return next((i for i in range(-taken.ndim, 0) if taken.strides[i]), LAST)

    def taken(self, call, axis: int) -> np.ndarray:
        """The numbers of channels in place of the input's entries, indexed; nothing is copied."""
        sizes = [LARGE if size is None else size for size in call.inputs[0].shape]
        channels = np.arange(sizes[axis]).reshape((-1, *(1,) * (-1 - axis)))
        return np.broadcast_to(channels, sizes)[self.index(call)]

    def applies(self, call):
        x = call.inputs[0]
        if len(x.shape) < 2 or x.shape[channel_axis(x)] is None:
            return False
        taken = self.taken(call, channel_axis(x))
        # Where it is 0, the axis of channels is gone.
        return taken.ndim > 1 and taken.strides[channel_axis(call.output)] != 0

    def source(self, call):
        taken = self.taken(call, channel_axis(call.inputs[0]))
        first = [0] * taken.ndim
        first[channel_axis(call.output)] = slice(None)
        return taken[tuple(first)]

    def around(self, call) -> tuple[tuple, tuple]:
        """The index of the axes before that of the channels, and of those behind."""
        index, x = self.index(call), call.inputs[0]
        named = sum(one is not None and one is not Ellipsis for one in index)
        open_axes = (slice(None),) * (len(x.shape) - named)
        if Ellipsis in index:
            place = index.index(Ellipsis)
            index = (*index[:place], *open_axes, *index[place + 1 :])
        else:
            index = (*index, *open_axes)
        axes = [i for i, one in enumerate(index) if one is not None]
        own = axes[own_axis(x)]
        return index[:own], index[own + 1 :]

    def take(self, call, tensor, places):
        before, behind = self.around(call)
        if all(one == slice(None) for one in (*before, *behind)):
            return take_channels(tensor, places, channel_axis(call.inputs[0]))
        run = slice(int(places[0]), int(places[0]) + len(places))
        if np.array_equal(places, np.arange(run.start, run.stop)):
            return tensor[(*before, run, *behind)]
        left = tensor[(*before, slice(None), *behind)]
        return take_channels(left, places, channel_axis(call.output))


@rule("Pad")
class PadRule(Selecting):
    """Constants around the entries, and beside the channels: those are channels of their own."""

    takes = False

    def widths(self, call) -> np.ndarray:
        """How many entries before and behind, for each axis."""
        return np.broadcast_to(call.operation.pad_width, (len(call.inputs[0].shape), 2))

    def constant(self, call) -> float | None:
        """What is put there; None where it is entries of the tensor."""
        given = argument(call, 1, "constant_values")
        return (0.0 if given is None else given) if call.operation.mode == "constant" else None

    def applies(self, call):
        beside = any(self.beside(call))
        known = len(call.inputs) == 1 and len(call.inputs[0].shape) > 1
        return known and not (beside and self.constant(call) is None)

    def moves_rows(self, call):
        return bool(np.delete(self.widths(call), own_axis(call.inputs[0]), axis=0).any())

    def beside(self, call) -> list[int]:
        """How many channels before and behind."""
        return self.widths(call)[own_axis(call.inputs[0])].tolist()

    def own(self, call, flat: np.ndarray) -> np.ndarray:
        """Of the output's channels those of the input."""
        before, _ = self.beside(call)
        return flat[before : before + width(call.inputs[0])]

    def tie(self, call, inputs, ties):
        before, behind = self.beside(call)
        return np.concatenate([ties.fresh(before), inputs[0], ties.fresh(behind)])

    def forward(self, call, inputs):
        (channels,), constant, beside = inputs, self.constant(call), self.beside(call)
        stays = not self.moves_rows(call) or constant is None
        alive = channels.alive if stays else channels.alive | (channels.fill != constant)
        fills = np.pad(channels.fill, beside, constant_values=constant or 0)
        return Channels(np.pad(alive, beside), fills)

    def backward(self, call, inputs, needed):
        return [self.own(call, needed)]

    def keep(self, call, inputs, wanted):
        kept = Kept((self.own(call, wanted),), wanted)
        return kept if self.moves_rows(call) else kept.nothing()

    def build(self, call, inputs, output, needed, builder):
        kept = np.flatnonzero(output.alive & needed)
        read = np.flatnonzero(self.own(call, output.alive & needed))
        tensor = inputs[0].align(read, call.name)
        if self.moves_rows(call):
            widths = self.widths(call).tolist()
            widths[own_axis(call.inputs[0])] = [0, 0]
            tensor = builder.repeat(call, [tensor], changes={"pad_width": widths})
        return CutTensor(tensor, kept, output)
