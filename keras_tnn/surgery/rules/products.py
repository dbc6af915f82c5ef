"""Products of tensors that are summed over shared axes: `matmul`, `einsum` and the like.

The MACs are the size of the output times the size of what is summed over. A product in which
nothing is summed is elementwise and counts zero.
"""

import numpy as np

from keras_tnn.surgery.arguments import product, shape_of
from keras_tnn.surgery.calls import Call, is_tensor, width
from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.macs import unknown_macs
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Counted, Kept, Rule
from keras_tnn.surgery.rules.attention import nonzero
from keras_tnn.surgery.sizes import spelled


def operands(call: Call) -> list:
    return [*call.args, *call.kwargs.values()]


def summed_over(call: Call, *sizes: int | None) -> int:
    return product(call, (*call.output.shape[1:], *sizes))


@rule("Matmul", "Dot", "Inner")
class LastAxisProduct(Counted):
    """The last axis of the first operand is summed over."""

    def macs(self, call):
        return summed_over(call, shape_of(operands(call)[0])[-1])


@rule("Tensordot")
class TensordotRule(Counted):
    """Over the axes that are named."""

    def macs(self, call):
        axes, shape = call.operation.axes, shape_of(operands(call)[0])
        first = range(-axes, 0) if isinstance(axes, int) else axes[0]
        return summed_over(call, *(shape[axis] for axis in first)) if first else 0


@rule("Einsum")
class EinsumRule(Counted):
    """Of two operands; of more, the order of the products decides."""

    def macs(self, call):
        tensors = operands(call)
        if len(tensors) > 2:
            raise unknown_macs(call)
        if len(tensors) < 2:
            return 0
        shapes = [(1, *shape_of(x)[1:]) if is_tensor(x) else shape_of(x) for x in tensors]
        return einsum_macs(call, call.operation.subscripts, shapes)


def spelled_out(equation: str, ranks: list[int], made: int) -> tuple[str, str, str]:
    """Of an equation of two operands: their subscripts, spelled out, and those of the output."""
    inputs, _, output = equation.replace(" ", "").partition("->")
    one, other = (spelled(x, rank) for x, rank in zip(inputs.split(","), ranks, strict=True))
    return one, other, spelled(output, made)


class FollowedProduct(Rule):
    """A product of two tensors: what is asked for the channels is on their last axes."""

    def subscripts(self, call) -> tuple[str, str, str]:
        ranks = [len(x.shape) for x in call.inputs]
        return spelled_out(call.operation.subscripts, ranks, len(call.output.shape))

    def terms(self, call):
        return [EinsumRule().macs(call)]

    def are_tensors(self, call) -> bool:
        operands = [*call.args, *call.kwargs.values()]
        return len(operands) == len(call.inputs) == 2 and "->" in call.operation.subscripts

    def backward(self, call, inputs, needed):
        return list(self.keep(call, inputs, needed).reads)


@rule("Einsum")
class Met(FollowedProduct):
    """Channels of both are summed over, as where queries meet keys: "bqhd,bkhd->bhqk"."""

    def applies(self, call):
        if not self.are_tensors(call):
            return False
        one, other, made = self.subscripts(call)
        return one[-1] == other[-1] and one[-1] not in made

    def importance(self, call):
        """No weights read the channels, so none is heavier than another."""
        return [np.zeros(width(x)) for x in call.inputs]

    def tie(self, call, inputs, ties):
        ties.tie(*inputs)
        ties.mixed.append(call)
        return ties.pinned(width(call.output))

    def keep(self, call, inputs, wanted):
        met = np.all([nonzero(x) for x in inputs], axis=0)
        return Kept((met, met), np.ones(len(wanted), bool))

    def axes(self, call, kept):
        return [kept.reads[:1]]


@rule("Einsum")
class Weighted(FollowedProduct):
    """Channels of the second are weighed by the first, as values are: "bhqk,bkhd->bqhd"."""

    def applies(self, call):
        if not self.are_tensors(call):
            return False
        one, other, made = self.subscripts(call)
        return made[-1] == other[-1] and other[-1] not in one

    def tie(self, call, inputs, ties):
        weights, values = inputs
        ties.pin(weights)
        return values

    def forward(self, call, inputs):
        varies = nonzero(inputs[1])  # what the weights add up to is not known
        return Channels(varies, np.zeros(len(varies)))

    def keep(self, call, inputs, wanted):
        return Kept((np.ones(inputs[0].size, bool), wanted), wanted)

    def axes(self, call, kept):
        return [(kept.makes,)]


def einsum_macs(call: Call, equation: str, shapes: list[tuple]) -> int:
    """Product of the sizes of all letters, for example 2 x 3 x 4 of `"ab,bc->ac"`.

    Args:
        call: for the error message.
        equation: with an arrow, of two operands.
        shapes: of the operands, the batch counted as one.
    """
    inputs, _, output = equation.replace(" ", "").partition("->")
    sizes: dict[str, int | None] = {}
    for subscripts, shape in zip(inputs.split(","), shapes, strict=True):
        for letter, size in zip(spelled(subscripts, len(shape)), shape, strict=True):
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    summed = [letter for letter in sizes if letter.isalpha() and letter not in output]
    return product(call, tuple(sizes.values())) if summed else 0
