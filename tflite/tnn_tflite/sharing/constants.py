"""The constants of a TFLite file: their values, and where in the file they stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tnn_tflite.sharing.schema import load_schema, names_of

# Operators whose second input is a kernel, and its axis of output channels.
KERNEL_OPERATORS = {
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 0,
    "TRANSPOSE_CONV": 0,
    "CONV_3D": 4,
}
TYPES = ("FLOAT32", "FLOAT16", "INT32", "UINT8", "INT64", "INT16", "INT8")


@dataclass(frozen=True)
class Located:
    """An array of a file.

    Args:
        at: Where it stands in the file, in bytes.
        array: Its values, a view of the file.
    """

    at: int
    array: np.ndarray

    @property
    def end(self) -> int:
        return self.at + self.array.nbytes


@dataclass(frozen=True)
class Use:
    """One operator that has a kernel, and its tensors.

    Args:
        operator: One of `KERNEL_OPERATORS`.
        input: The number of the tensor that it convolves.
        bias: The number of its bias, or None.
    """

    operator: str
    input: int
    bias: int | None


@dataclass(frozen=True, eq=False)
class LocatedTensor:
    """A tensor, constant or not.

    Args:
        number: Its place in the subgraph.
        buffer: Number of the buffer with its values; 0 if it has none.
        shape: Its shape.
        type: Its element type as numpy names it, None for one that is not an array of numbers.
        constant: Its values in the file, or None.
        scales: The scales of its quantization in the file, or None.
    """

    number: int
    buffer: int
    shape: tuple[int, ...]
    type: str | None
    constant: Located | None
    scales: Located | None


@dataclass(frozen=True, eq=False)
class Subgraph:
    """One subgraph of a file.

    Args:
        tensors: Its tensors by number.
        uses: For each tensor that is a kernel, the operators that read it as one.
        readers: For each tensor, how many operators read it.
    """

    tensors: list[LocatedTensor]
    uses: dict[int, list[Use]]
    readers: dict[int, int]

    @property
    def kernels(self) -> list[tuple[LocatedTensor, list[Use]]]:
        """The constant kernels with the operators that read them, in order of the operators."""
        pairs = [(self.tensors[number], uses) for number, uses in self.uses.items()]
        return [(tensor, uses) for tensor, uses in pairs if tensor.constant is not None]


class TFLiteFile:
    """A TFLite file whose arrays are found, not copied.

    Args:
        content: The bytes of a file that a converter wrote. Not one from elsewhere: what it
            says is believed.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._bytes = np.frombuffer(content, np.uint8)
        self._model = load_schema().Model.GetRootAs(content, 0)
        self._operators = names_of("BuiltinOperator")
        self._types = names_of("TensorType")

    @cached_property
    def graphs(self) -> list[Subgraph]:
        """The subgraphs."""
        model = self._model
        return [self._graph(model.Subgraphs(i)) for i in range(model.SubgraphsLength())]

    def tensors(self) -> Iterator[LocatedTensor]:
        """Every tensor of every subgraph."""
        for graph in self.graphs:
            yield from graph.tensors

    @cached_property
    def buffer_users(self) -> dict[int, int]:
        """How many tensors each buffer stands for."""
        users: dict[int, int] = defaultdict(int)
        for tensor in self.tensors():
            users[tensor.buffer] += 1
        return users

    def _graph(self, subgraph: Any) -> Subgraph:
        tensors = [
            self._tensor(number, subgraph.Tensors(number))
            for number in range(subgraph.TensorsLength())
        ]
        uses: dict[int, list[Use]] = defaultdict(list)
        readers: dict[int, int] = defaultdict(int)
        for i in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(i)
            inputs = [operator.Inputs(k) for k in range(operator.InputsLength())]
            for number in inputs:
                readers[number] += 1
            name = self._operator_name(operator)
            if name in KERNEL_OPERATORS:
                uses[inputs[1]].append(_use(name, inputs))
        return Subgraph(tensors, uses, readers)

    def _operator_name(self, operator: Any) -> str:
        return self._operators[self._model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()]

    def _tensor(self, number: int, tensor: Any) -> LocatedTensor:
        name = self._types[tensor.Type()]
        dtype = name.lower() if name in TYPES else None
        shape = tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
        quantization, scales = tensor.Quantization(), None
        if quantization is not None and quantization.ScaleLength():
            scales = self._located(quantization.ScaleAsNumpy(), "float32")
        constant = self._constant(tensor.Buffer(), shape, dtype)
        return LocatedTensor(number, tensor.Buffer(), shape, dtype, constant, scales)

    def _constant(self, number: int, shape: tuple[int, ...], dtype: str | None) -> Located | None:
        buffer = self._model.Buffers(number)
        if dtype is None or not buffer.DataLength():
            return None
        located = self._located(buffer.DataAsNumpy(), dtype)
        fits = located.array.size == int(np.prod(shape))
        return Located(located.at, located.array.reshape(shape)) if fits else None

    def _located(self, view: np.ndarray, dtype: str) -> Located:
        at = view.ctypes.data - self._bytes.ctypes.data
        if view.nbytes % np.dtype(dtype).itemsize:
            dtype = "uint8"
        return Located(
            at, self._bytes[at : at + view.nbytes].view(np.dtype(dtype).newbyteorder("<"))
        )


def _use(name: str, inputs: list[int]) -> Use:
    # A transposed convolution reads (shape, kernel, input, bias), the others (input, kernel, bias).
    source, bias = (
        (inputs[2], inputs[3:4]) if name == "TRANSPOSE_CONV" else (inputs[0], inputs[2:3])
    )
    return Use(name, source, bias[0] if bias and bias[0] >= 0 else None)
