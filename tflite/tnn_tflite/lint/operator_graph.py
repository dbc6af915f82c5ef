"""What a TFLite file says: its operators in the order they run, and the tensors between them."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tnn_tflite.sharing.schema import load_schema, names_of

NUMPY_TYPES = {"INT8": "i1", "UINT8": "u1", "INT16": "i2", "INT32": "i4", "INT64": "i8"}
NUMPY_TYPES |= {"FLOAT32": "f4", "FLOAT16": "f2", "BOOL": "?"}


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a TFLite file.

    Args:
        name: The name that the converter gave it.
        type: The element type as the schema names it, for example `"INT8"`.
        shape: The shape, batch axis included.
        dynamic: Whether an axis is known only when the network runs.
        value: The content of a constant tensor, else None.
        bytes: Size of the content in bytes, else 0.
        constant: Whether the file fixes what it holds: it has content, or is unpacked from a
            tensor that has, as weights in half precision are.
        scales: Quantisation scales, one a tensor or one a channel; empty if it stands for no real.
        zero_points: As many as scales; real = scale * (q - zero_point).
    """

    name: str
    type: str
    shape: tuple[int, ...]
    dynamic: bool
    value: np.ndarray | None
    bytes: int
    constant: bool
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator of a TFLite file.

    Args:
        index: Place in the order of execution, counted through all subgraphs.
        subgraph: 0 for the network itself; branches of `IF` have their own.
        name: As the schema names it, for example `"CONV_2D"`; for a custom operator its own name.
        version: The version of the operator that the converter asks for.
        inputs: The inputs; None where an optional one is left out.
        outputs: The outputs.
        options: The options by their names in the schema's Python form.
    """

    index: int
    subgraph: int
    name: str
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: dict[str, Any]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All inputs that are there, then all outputs."""
        return (*(tensor for tensor in self.inputs if tensor is not None), *self.outputs)

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """The tensors that are computed, not stored in the file."""
        return tuple(tensor for tensor in self.tensors if not tensor.constant)


@dataclass(frozen=True, eq=False)
class OperatorGraph:
    """A TFLite file.

    Args:
        operators: In the order of execution, those of branches last.
        inputs: What the network takes, in the order of the file, named as in its signature.
        outputs: What it gives, likewise.
        parameter_bytes: Bytes of all constant tensors that operators read, each once.
    """

    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameter_bytes: int


def read_operator_graph(content: bytes) -> OperatorGraph:
    """Reads a TFLite file.

    Args:
        content: The bytes of a plain `.tflite` file.

    Returns:
        Its operators and tensors.

    Raises:
        ImportError: If no package with the schema of TFLite is installed.
        ValueError: If the bytes are no TFLite file.
    """
    schema = load_schema()
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        subgraphs = [_tensors(model, subgraph) for subgraph in model.subgraphs]
        operators = tuple(_operators(model, subgraphs))
    except (struct.error, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "Invalid value for `content`. Expected the bytes of a TFLite file. "
            f"Received: {len(content)} bytes that do not parse ({type(error).__name__})"
        ) from error
    main, signature = model.subgraphs[0], _signature(model)
    return OperatorGraph(
        operators=operators,
        inputs=tuple(_named(subgraphs[0], i, signature and signature.inputs) for i in main.inputs),
        outputs=tuple(
            _named(subgraphs[0], i, signature and signature.outputs) for i in main.outputs
        ),
        parameter_bytes=sum(x.bytes for x in {id(x): x for x in _read_by(operators)}.values()),
    )


def _signature(model: Any) -> Any:
    """The names under which a program knows the inputs and outputs; old files have none."""
    return model.signatureDefs[0] if model.signatureDefs else None


def _named(tensors: list[Tensor], index: int, maps: Any) -> Tensor:
    names = [entry.name.decode() for entry in _list(maps) if entry.tensorIndex == index]
    return replace(tensors[index], name=names[0]) if names else tensors[index]


def _read_by(operators: tuple[Operator, ...]) -> Iterator[Tensor]:
    for operator in operators:
        yield from operator.tensors


def _tensors(model: Any, subgraph: Any) -> list[Tensor]:
    types = names_of("TensorType")
    tensors = [_tensor(types, model, record) for record in subgraph.tensors]
    for record in _list(subgraph.operators):
        name = _operator_name(names_of("BuiltinOperator"), model.operatorCodes[record.opcodeIndex])
        if name == "DEQUANTIZE" and tensors[record.inputs[0]].constant:
            output = record.outputs[0]
            tensors[output] = replace(tensors[output], constant=True)
    return tensors


def _tensor(types: dict[int, str], model: Any, record: Any) -> Tensor:
    content = _list(model.buffers[record.buffer].data)
    shape = tuple(int(size) for size in _list(record.shape))
    quantization = record.quantization
    return Tensor(
        name=(record.name or b"").decode(errors="replace"),
        type=types[record.type],
        shape=shape,
        dynamic=any(size < 0 for size in _list(record.shapeSignature)),
        value=_value(content, types[record.type], shape),
        bytes=len(content),
        constant=len(content) > 0,
        scales=tuple(float(x) for x in _list(quantization and quantization.scale)),
        zero_points=tuple(int(x) for x in _list(quantization and quantization.zeroPoint)),
    )


def _value(content: Any, type_name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    if len(content) == 0 or type_name not in NUMPY_TYPES:
        return None
    return np.frombuffer(bytes(content), np.dtype(NUMPY_TYPES[type_name])).reshape(shape)


def _operators(model: Any, subgraphs: list[list[Tensor]]) -> Iterator[Operator]:
    names = names_of("BuiltinOperator")
    index = 0
    for number, subgraph in enumerate(model.subgraphs):
        tensors = subgraphs[number]
        for record in _list(subgraph.operators):
            code = model.operatorCodes[record.opcodeIndex]
            yield Operator(
                index=index,
                subgraph=number,
                name=_operator_name(names, code),
                version=code.version,
                inputs=tuple(tensors[i] if i >= 0 else None for i in _list(record.inputs)),
                outputs=tuple(tensors[i] for i in _list(record.outputs)),
                options=dict(vars(record.builtinOptions)) if record.builtinOptions else {},
            )
            index += 1


def _operator_name(names: dict[int, str], code: Any) -> str:
    # Files from before 2020 have the code in the first field, newer ones in the second.
    name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
    return code.customCode.decode(errors="replace") if name == "CUSTOM" else name


def _list(vector: Any) -> Any:
    return () if vector is None else vector
