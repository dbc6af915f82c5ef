"""A ReLU of int8 that stands alone, as the operator for which runtimes have fast kernels.

Behind a convolution or a sum the converter makes a ReLU part of that operator. Where an `IF` stands
between them it cannot, and TFLite computes a ReLU of int8 alone element by element, which takes
longer than the convolution. Its output begins at zero: the integer that stands for 0 is the least
one. So to write the same numbers in the output's steps is to cut them off at zero, and that is the
operator QUANTIZE, from int8 to int8.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tnn_tflite.sharing.packing import aligned_buffer, packed
from tnn_tflite.sharing.schema import load_schema

REQUANTIZES = 2  # the version of QUANTIZE that reads int8


def with_requantized_relus(content: bytes) -> bytes:
    """Returns a file with branches in which QUANTIZE stands for each such ReLU.

    The integers are the same, by TFLite's reference kernels. A file without branches stays as it
    is: there the converter has left few of them.

    Args:
        content: The bytes of the file.
    """
    schema = load_schema()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    relus = [
        operator
        for graph in model.subgraphs
        for operator in graph.operators
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.RELU
        and begins_at_zero(graph.tensors[operator.outputs[0]], schema)
    ]
    if len(model.subgraphs) == 1 or not relus:
        return content
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = REQUANTIZES
    model.operatorCodes.append(code)
    for operator in relus:
        operator.opcodeIndex = len(model.operatorCodes) - 1
    model.buffers = [aligned_buffer(schema, buffer.data) for buffer in model.buffers]
    return packed(model)


def begins_at_zero(tensor: Any, schema: Any) -> bool:
    """Whether the least int8 stands for zero."""
    if tensor.type != schema.TensorType.INT8:
        return False
    return tensor.quantization.zeroPoint.tolist() == [np.iinfo("int8").min]
