"""Products of tensors that are summed over shared axes: `matmul`, `einsum` and the like.

The MACs are the size of the output times the size of what is summed over. A product in which
nothing is summed is elementwise and counts zero.
"""

from keras_tnn.surgery.arguments import product, shape_of
from keras_tnn.surgery.calls import Call
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Counted
from keras_tnn.surgery.sizes import spelled


def operands(call: Call) -> list:
    return [*call.args, *call.kwargs.values()]


def summed_over(call: Call, *sizes: int | None) -> int:
    return product(call, (*call.output.shape[1:], *sizes))


@rule("Dot", "Inner")
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


def spelled_out(equation: str, ranks: list[int], made: int) -> tuple[str, str, str]:
    """Of an equation of two operands: their subscripts, spelled out, and those of the output."""
    inputs, _, output = equation.replace(" ", "").partition("->")
    one, other = (spelled(x, rank) for x, rank in zip(inputs.split(","), ranks, strict=True))
    return one, other, spelled(output, made)


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
