"""The file of a flat network: a new head before constants and descriptions of the old file."""

from collections.abc import Sequence
from functools import partial

from tnn_tflite.patterns.branched_file import BranchedFile, BranchStep
from tnn_tflite.patterns.flat import Flat
from tnn_tflite.patterns.flatbuffer import Field, Later, Writer

IDENTIFIER, VERSION = b"TFL3", 3
ALIGNMENT = 16  # bytes, as the schema asks for buffers


def write_flat(file: BranchedFile, network: Flat, outputs: Sequence[bytes]) -> bytes:
    """Returns a TFLite file that holds only what a network reads.

    Args:
        file: The file that the network was found in.
        network: Its inputs have the names that they have in the file.
        outputs: A name for each output.
    """
    return _Head(file, network).whole(outputs)


class _Head(Writer):
    """Fields by their numbers in TFLite's schema."""

    def __init__(self, file: BranchedFile, network: Flat) -> None:
        super().__init__()
        self._file, self._network = file, network
        read = (number for step in network.steps for number in (*step.inputs, *step.outputs))
        used = dict.fromkeys([*network.inputs, *network.outputs, *read])
        used.pop(-1, None)
        self._used = list(used)
        self._place = {number: place for place, number in enumerate(used)} | {-1: -1}
        buffers = {network.tensors[number].buffer for number in used}
        self._values = {one: Later() for one in sorted(buffers) if file.spans[one]}
        self._rest: dict[int, Later] = {}  # what stands in the part that is moved as a whole

    def whole(self, outputs: Sequence[bytes]) -> bytes:
        self.content += bytes(4) + IDENTIFIER
        self.fill(0, partial(self._model, outputs))
        for number, later in self._values.items():
            begin, end = self._file.spans[number]
            self.align(ALIGNMENT, ahead=4)
            later.at = len(self.content)
            self.content += (end - begin).to_bytes(4, "little") + self._file.content[begin:end]
        self.align(ALIGNMENT, ahead=-self._file.rest_at)
        shift = len(self.content) - self._file.rest_at
        self.content += self._file.content[self._file.rest_at :]
        for at, later in self._rest.items():
            later.at = at + shift
        return self.finish()

    def _model(self, outputs: Sequence[bytes]) -> int:
        buffers = [partial(self._buffer, number) for number in range(len(self._file.spans))]
        return self.table(
            {
                0: VERSION,
                1: self._moved(self._file.codes_at),
                2: partial(self.vector, [self._subgraph]),
                4: partial(self.vector, buffers),
                7: partial(self.vector, [partial(self._signature, outputs)]),
            }
        )

    def _subgraph(self) -> int:
        network = self._network
        tensors = [self._moved(network.tensors[number].at) for number in self._used]
        return self.table(
            {
                0: partial(self.vector, tensors),
                1: self._tensors(network.inputs),
                2: self._tensors(network.outputs),
                3: partial(self.vector, [partial(self._operator, one) for one in network.steps]),
            }
        )

    def _operator(self, step: BranchStep) -> int:
        fields: dict[int, Field] = {0: ("I", step.code)}
        fields |= {1: self._tensors(step.inputs), 2: self._tensors(step.outputs)}
        for field, (kind, at) in step.options.items():
            fields |= {field - 1: ("B", kind), field: self._moved(at)}
        return self.table(fields)

    def _buffer(self, number: int) -> int:
        return self.table({0: self._values[number]} if number in self._values else {})

    def _signature(self, outputs: Sequence[bytes]) -> int:
        network, main = self._network, self._file.subgraphs[0]
        inputs = [self._file.names[0][main.inputs[number]] for number in network.inputs]
        sides = ((network.inputs, inputs), (network.outputs, outputs))
        maps = [[partial(self._named, *pair) for pair in zip(*side, strict=True)] for side in sides]
        return self.table(
            {
                0: partial(self.vector, maps[0]),
                1: partial(self.vector, maps[1]),
                2: partial(self.text, b"pattern"),
            }
        )

    def _named(self, number: int, name: bytes) -> int:
        return self.table({0: partial(self.text, name), 1: ("I", self._place[number])})

    def _tensors(self, numbers: Sequence[int]) -> Field:
        return partial(self.numbers, [self._place[number] for number in numbers])

    def _moved(self, at: int) -> Later:
        return self._rest.setdefault(at, Later())
