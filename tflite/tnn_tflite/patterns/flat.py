"""A network in which every `IF` has been replaced by the branch that is taken."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tnn_tflite.patterns.branched_file import (
    DEQUANTIZE,
    QUANTIZE,
    BranchedFile,
    BranchStep,
    TensorPlace,
)

# Where an IF stands: the number of its subgraph, and its number among the steps there.
Place = tuple[int, int]


@dataclass(frozen=True)
class Flat:
    """Steps in running order, over tensors of one numbering.

    Args:
        tensors: By number.
        inputs: Numbers of tensors.
        outputs: Likewise.
        steps: Operators, none of them an `IF`.
        conditions: For each `IF` on the way the tensor that decided it.
    """

    tensors: tuple[TensorPlace, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[BranchStep, ...]
    conditions: dict[Place, int]

    def needed_for(self, outputs: Iterable[int]) -> "Flat":
        """The same network, of which only what some tensors are made from is left."""
        outputs = tuple(outputs)
        wanted, steps = set(outputs), []
        for step in reversed(self.steps):
            if not wanted.isdisjoint(step.outputs):
                steps.append(step)
                wanted.update(step.inputs)
        inputs = tuple(number for number in self.inputs if number in wanted)
        return replace(self, inputs=inputs, outputs=outputs, steps=tuple(reversed(steps)))

    def without_round_trips(self) -> "Flat":
        """The same network, in which no integers become floats only to become the same integers.

        The converter lets branches read and make floats, also where integers run on both sides.
        """
        made = {step.outputs[0]: step for step in self.steps if step.kind == DEQUANTIZE}
        same: dict[int, int] = {}
        steps = []
        for step in self.steps:
            step = replace(step, inputs=tuple(same.get(one, one) for one in step.inputs))
            before = made.get(step.inputs[0]) if step.kind == QUANTIZE else None
            if before is not None:
                source, target = same.get(before.inputs[0], before.inputs[0]), step.outputs[0]
                if self.tensors[source].form == self.tensors[target].form:
                    same[target] = source
                    continue
            steps.append(step)
        outputs = tuple(same.get(one, one) for one in self.outputs)
        return replace(self, steps=tuple(steps), outputs=outputs)


def flattened(file: BranchedFile, takes: Callable[[Place], bool]) -> Flat:
    """Follows the branches that are taken.

    Args:
        file: The file.
        takes: Says of an `IF` whether its condition holds.

    Raises:
        ValueError: If branches lead in a circle, or an `IF` is met twice.
    """
    walk, main = _Walk(file, takes), file.subgraphs[0]
    inputs = [walk.new(main.tensors[number]) for number in main.inputs]
    try:
        outputs = walk.follow(0, inputs)
    except RecursionError as error:
        raise ValueError("branches in branches without end") from error
    return Flat(
        tuple(walk.tensors), tuple(inputs), tuple(outputs), tuple(walk.steps), walk.conditions
    )


class _Walk:
    def __init__(self, file: BranchedFile, takes: Callable[[Place], bool]) -> None:
        self._file, self._takes = file, takes
        self.tensors: list[TensorPlace] = []
        self.steps: list[BranchStep] = []
        self.conditions: dict[Place, int] = {}

    def new(self, tensor: TensorPlace) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def follow(self, number: int, arguments: list[int]) -> list[int]:
        """Adds what a subgraph runs on some tensors; returns those that it makes."""
        subgraph = self._file.subgraphs[number]
        known = dict(zip(subgraph.inputs, arguments, strict=True))
        known[-1] = -1  # an optional input that is left out

        def own(tensor: int) -> int:
            if tensor not in known:
                known[tensor] = self.new(subgraph.tensors[tensor])
            return known[tensor]

        for index, step in enumerate(subgraph.steps):
            inputs = tuple(map(own, step.inputs))
            if step.branches is None:
                outputs = tuple(map(own, step.outputs))
                self.steps.append(replace(step, inputs=inputs, outputs=outputs))
                continue
            place = (number, index)
            if place in self.conditions:  # each branch once: so there is no circle and no flood
                raise ValueError("branches that are taken twice")
            self.conditions[place] = inputs[0]
            branch = step.branches[0] if self._takes(place) else step.branches[1]
            made = self.follow(branch, list(inputs[1:]))
            known |= dict(zip(step.outputs, made, strict=True))
        return [own(tensor) for tensor in subgraph.outputs]
