"""A TFLite file as cutting sees it: subgraphs of operators, some of which are `IF`s."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tnn_tflite.patterns.flatbuffer import Table

IF, QUANTIZE, DEQUANTIZE = 118, 114, 6  # of the schema's BuiltinOperator
OPTIONS = (4, 12)  # fields of an operator; their type stands in the field before
UNKNOWN = (5, 7, 8)  # custom options, variables and intermediates, which no level has


@dataclass(frozen=True)
class BranchStep:
    """An operator of a subgraph.

    Args:
        code: Which of the file's operator codes it has.
        kind: Which of TFLite's builtin operators that is.
        options: By the number of a field, the type and the place of the options in it.
        inputs: Numbers of tensors; -1 for one that is left out.
        outputs: Likewise.
        branches: Of an `IF`, the subgraphs that run if its condition holds and if not.
    """

    code: int
    kind: int
    options: dict[int, tuple[int, int]]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    branches: tuple[int, int] | None = None


@dataclass(frozen=True)
class TensorPlace:
    """A tensor of a subgraph.

    Args:
        at: Where its description stands in the file.
        buffer: Which buffer has its values; an empty one for a tensor that is computed.
        form: Its type, and how its integers stand for reals: two tensors of equal forms hold the
            same where they hold the same integers.
    """

    at: int
    buffer: int
    form: tuple


@dataclass(frozen=True)
class BranchedGraph:
    """One subgraph.

    Args:
        tensors: By number.
        inputs: Numbers of tensors.
        outputs: Likewise.
        steps: The operators in running order.
    """

    tensors: tuple[TensorPlace, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[BranchStep, ...]


class BranchedFile:
    """A TFLite file with one signature, whose constants stand before its subgraphs.

    That is the order in which `tnn_tflite.sharing.merge` writes. All references lead forward, so
    what describes the subgraphs can be moved as a whole: it refers to nothing before it.

    Args:
        content: The bytes.

    Raises:
        ValueError: If they are no such file.

    Attributes:
        subgraphs: The subgraphs; the first is the network.
        names: Of the inputs and of the outputs, by the number of the tensor.
        spans: For each buffer begin and end of its values, None for one without.
        codes_at: Where the operator codes stand.
        rest_at: Where the part begins that has subgraphs and codes, and no constants.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        with _reading():
            model = Table.root(content)
            self.codes_at = model.reference(1)
            kinds = [max(code.number(0, "b"), code.number(3)) for code in model.tables(1)]
            self.subgraphs = tuple(_graph(one, kinds) for one in model.tables(2))
            self.spans = [buffer.span(0) for buffer in model.tables(4)]
            (signature,) = model.tables(7)
            if not self.subgraphs or self.codes_at is None:
                raise ValueError("a file without a network")
            self.names = tuple(_names(signature, field) for field in (0, 1))
            self.rest_at = max((span[1] for span in self.spans if span), default=0)
            self._check_order()
        self._check_numbers()

    def _check_order(self) -> None:
        tensors = [tensor.at for one in self.subgraphs for tensor in one.tensors]
        steps = [step for one in self.subgraphs for step in one.steps]
        options = [at for step in steps for _, at in step.options.values()]
        tables = [Table(self.content, at) for at in (*tensors, *options)]
        places = [self.codes_at, *(min(one.at, one.vtable) for one in tables)]
        if min(places) < self.rest_at:
            raise ValueError("constants that do not stand before all subgraphs")

    def _check_numbers(self) -> None:
        for graph in self.subgraphs:
            size = len(graph.tensors)
            used = [*graph.inputs, *graph.outputs]
            optional = [number for step in graph.steps for number in step.inputs]
            used += [number for step in graph.steps for number in step.outputs]
            branches = [one for step in graph.steps for one in step.branches or ()]
            in_range = all(0 <= one < size for one in used)
            in_range &= all(-1 <= one < size for one in optional)
            in_range &= all(0 <= one < len(self.subgraphs) for one in branches)
            in_range &= all(one.buffer < len(self.spans) for one in graph.tensors)
            if not in_range:
                raise ValueError("numbers of tensors, buffers or subgraphs that do not exist")
        main = self.subgraphs[0]
        if not (self.names[0].keys() == {*main.inputs} and self.names[1].keys() == {*main.outputs}):
            raise ValueError("a signature that does not name the inputs and outputs")


def _graph(table: Table, kinds: Sequence[int]) -> BranchedGraph:
    tensors = [TensorPlace(one.at, one.number(2, "I"), _form(one)) for one in table.tables(0)]
    steps = [_step(one, kinds) for one in table.tables(3)]
    return BranchedGraph(
        tuple(tensors), tuple(table.numbers(1)), tuple(table.numbers(2)), tuple(steps)
    )


def _step(table: Table, kinds: Sequence[int]) -> BranchStep:
    code, branches = table.number(0, "I"), None
    if any(table.reference(field) is not None for field in UNKNOWN):
        raise ValueError("an operator with custom options or a state")
    if kinds[code] == IF:
        options = Table(table.content, table.reference(4))
        branches = (options.number(0), options.number(1))
    kept = {
        field: (table.number(field - 1, "B"), table.reference(field))
        for field in OPTIONS
        if table.reference(field) is not None
    }
    return BranchStep(
        code, kinds[code], kept, tuple(table.numbers(1)), tuple(table.numbers(2)), branches
    )


def _form(tensor: Table) -> tuple:
    at = tensor.reference(4)
    scaled = Table(tensor.content, at) if at is not None else None
    scales = (*scaled.numbers(2, "f"), *scaled.numbers(3, "q")) if scaled else ()
    return (tensor.number(1, "b"), *scales)


def _names(signature: Table, field: int) -> dict[int, bytes]:
    entries = signature.tables(field)
    return {one.number(1, "I"): signature.content[slice(*one.span(0))] for one in entries}


@contextmanager
def _reading() -> Iterator[None]:
    """What a damaged file leads to is one kind of error."""
    try:
        yield
    except (struct.error, IndexError, TypeError) as error:
        raise ValueError(f"bytes that do not parse ({error})") from error
