"""`matmul` and `einsum` of two tensors: which letter the channels of each are, and where it goes.

Channels that both have and the output has not are summed over, as in a `Dot`: those that are zero
add nothing, and the output stays whole. Channels that both have and the output, too, are multiplied
one by one. Channels that one alone has stay channels; the other is read whole.

So the heads of attention that is written with products become narrower, all alike: the channels of
queries and keys are summed over, those of values stay.
"""

import string
from dataclasses import dataclass, replace

import numpy as np
from keras import ops

from keras_tnn.surgery.arguments import shape_of
from keras_tnn.surgery.batch import counts_samples
from keras_tnn.surgery.calls import LAST, Call, channel_axis, is_tensor, width
from keras_tnn.surgery.channels import Channels
from keras_tnn.surgery.macs import unknown_macs
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule
from keras_tnn.surgery.rules.products import einsum_macs, operands
from keras_tnn.surgery.sizes import spelled


@dataclass(frozen=True)
class Equation:
    """Letters of the axes of two operands and of their product.

    Attributes:
        operands: letters by operand.
        product: letters of the output.
    """

    operands: tuple[str, ...]
    product: str

    def role(self, letters: list[str]) -> str:
        """What becomes of channels of the given letters, one an operand that is a tensor."""
        one, *others = {*letters}
        shared = not others and all(one in subscripts for subscripts in self.operands)
        if shared:
            return "multiplied" if one in self.product else "summed"
        return "kept" if self.keeper(letters) is not None else "unknown"

    def keeper(self, letters: list[str]) -> int | None:
        """The operand whose channels the output has; None where there is none or one too many."""
        able = [
            i
            for i, letter in enumerate(letters)
            if letter in self.product and sum(letter in one for one in self.operands) == 1
        ]
        return able[0] if len(able) == 1 else None


class ProductRule(Rule):
    """Of two operands, of which one may be an array; of weights nothing is known."""

    silent = False
    one_axis = False

    def equation(self, call: Call) -> Equation | None:
        """The letters; None where they are not known."""
        raise NotImplementedError(f"{type(self).__name__} must define `equation`.")

    def looks_at(self, call, x):
        return None

    def letters(self, call: Call, axes: list) -> list[str]:
        """The letter of each tensor's channels."""
        subscripts = [
            one
            for one, x in zip(self.equation(call).operands, operands(call), strict=True)
            if is_tensor(x)
        ]
        return [one[axis] for one, axis in zip(subscripts, axes, strict=True)]

    def puts_all(self, call, axes):
        equation = self.equation(call)
        if equation is None or not all(axes):
            return LAST if all(axes) else None
        letters = self.letters(call, axes)
        role, product = equation.role(letters), equation.product
        if role not in ("multiplied", "kept"):
            return LAST
        letter = letters[equation.keeper(letters) if role == "kept" else 0]
        return product.index(letter) - len(product)

    def applies(self, call):
        of_samples = all(
            x.shape and (x.shape[0] is None or counts_samples(x.shape[0])) for x in call.inputs
        )
        if not of_samples or self.equation(call) is None:
            return False
        role = self.role(call)
        alike = role == "kept" or len({width(x) for x in call.inputs}) == 1
        twice = len({id(x) for x in call.inputs}) < len(call.inputs)
        return role != "unknown" and alike and not (role == "kept" and twice)

    def own_letters(self, call) -> list[str]:
        return self.letters(call, [channel_axis(x) for x in call.inputs])

    def role(self, call) -> str:
        return self.equation(call).role(self.own_letters(call))

    def keeper(self, call) -> int:
        return self.equation(call).keeper(self.own_letters(call))

    def importance(self, call) -> list[np.ndarray]:
        """No weights read the channels, so none is heavier than another."""
        return [np.zeros(width(x)) for x in call.inputs]

    def tie(self, call, inputs, ties):
        match self.role(call):
            case "kept":
                for i, labels in enumerate(inputs):
                    if i != self.keeper(call):
                        ties.pin(labels)
                return inputs[self.keeper(call)]
            case "multiplied":
                ties.tie(inputs[0], inputs[-1])
                return inputs[0]
        ties.tie(inputs[0], inputs[-1])
        ties.mixed.append(call)
        return ties.pinned(width(call.output))

    def nonzero(self, inputs) -> np.ndarray:
        return np.all([x.alive | x.hidden for x in inputs], axis=0)

    def forward(self, call, inputs):
        match self.role(call):
            case "kept":
                inputs = [inputs[self.keeper(call)]]
            case "summed":
                return super().forward(call, inputs)
        alive = self.nonzero(inputs)
        return Channels(alive, np.zeros(len(alive)))

    def backward(self, call, inputs, needed):
        return list(self.keep(call, inputs, needed).reads)

    def keep(self, call, inputs, wanted):
        match self.role(call):
            case "kept":
                whole = (np.ones(x.size, bool) for x in inputs)
                own = self.keeper(call)
                return Kept(tuple(wanted if i == own else x for i, x in enumerate(whole)), wanted)
            case "multiplied":
                return Kept((wanted,) * len(inputs), wanted)
        return Kept((self.nonzero(inputs),) * len(inputs), np.ones(len(wanted), bool))

    def terms(self, call):
        equation, given = self.equation(call), operands(call)
        if equation is None:
            raise unknown_macs(call)
        shapes = [(1, *shape_of(x)[1:]) if is_tensor(x) else shape_of(x) for x in given]
        return [einsum_macs(call, f"{','.join(equation.operands)}->{equation.product}", shapes)]

    def axes(self, call, kept):
        return [(kept.reads[0] if self.role(call) == "summed" else kept.makes,)]

    def passes_values_on(self, call):
        return False

    def build(self, call, inputs, output, needed, builder):
        kept = self.keep(call, [piece.channels for piece in inputs], output.alive & needed)
        if len(call.inputs) == 1 and self.role(call) != "kept":
            call = with_cut_array(call, self.equation(call), self.own_letters(call)[0], *kept.reads)
        return super().build(call, inputs, output, needed, builder)


def with_cut_array(call: Call, equation: Equation, letter: str, kept: np.ndarray) -> Call:
    """The call with the kept channels of the array that stands beside its tensor."""
    letters = iter(equation.operands)

    def cut(x):
        axis = next(letters).index(letter)
        array = x if is_tensor(x) else ops.convert_to_numpy(x)
        alone = is_tensor(x) or array.shape[axis] != len(kept)
        return x if alone else np.compress(kept, array, axis)

    args = tuple(map(cut, call.args))
    return replace(call, args=args, kwargs={name: cut(x) for name, x in call.kwargs.items()})


@rule("Matmul")
class MatmulRule(ProductRule):
    """The last axis of the first operand meets the last but one of the second."""

    def equation(self, call):
        ranks = [len(shape_of(x)) for x in operands(call)]
        if len(ranks) != 2 or min(ranks) < 2:
            return None
        in_front = string.ascii_lowercase[: max(ranks) - 2]
        first, second = (in_front[len(in_front) - rank + 2 :] for rank in ranks)
        return Equation((f"{first}yz", f"{second}zx"), f"{in_front}yx")


@rule("Einsum")
class EinsumRule(ProductRule):
    """As the subscripts say; of more than two operands the order of the products decides."""

    def equation(self, call):
        inputs, arrow, output = call.operation.subscripts.replace(" ", "").partition("->")
        subscripts, given = inputs.split(","), operands(call)
        if len(given) != 2 or not arrow:
            return None
        pairs = zip(subscripts, given, strict=True)
        letters = tuple(spelled(one, len(shape_of(x))) for one, x in pairs)
        return Equation(letters, spelled(output, len(call.output.shape)))

    def terms(self, call):
        return [0] if len(operands(call)) == 1 else super().terms(call)
