"""Which versions of each operator Edge TPU Compiler 16.0 can read.

The compiler is of July 2021 and reads what TensorFlow 2.5 wrote. The numbers are the highest
versions that TensorFlow's `runtime_version.cc` dates to 2.5 or before. What users report agrees:
compiler 16.0 refuses CONV_2D 6, TRANSPOSE_CONV 4, QUANTIZE 3 and EXP 2 (google-coral/edgetpu
issues 631, 845 and 879, libedgetpu 71). It refuses the whole file, not the operator alone.
"""

from tnn_tflite.lint.operator_graph import Operator

HIGHEST = {
    "ABS": 3,
    "ADD": 3,
    "ARG_MAX": 2,
    "AVERAGE_POOL_2D": 3,
    "BATCH_MATMUL": 4,
    "BATCH_TO_SPACE_ND": 3,
    "CAST": 1,
    "CONCATENATION": 3,
    "CONV_2D": 5,
    "DEPTHWISE_CONV_2D": 6,
    "DEPTH_TO_SPACE": 2,
    "DEQUANTIZE": 4,
    "DIV": 2,
    "ELU": 1,
    "EXP": 1,
    "EXPAND_DIMS": 1,
    "FILL": 3,
    "FULLY_CONNECTED": 9,
    "GATHER": 5,
    "HARD_SWISH": 1,
    "IF": 1,
    "L2_NORMALIZATION": 2,
    "LEAKY_RELU": 2,
    "LOGISTIC": 3,
    "MAXIMUM": 4,
    "MAX_POOL_2D": 3,
    "MEAN": 3,
    "MINIMUM": 4,
    "MUL": 4,
    "PACK": 3,
    "PAD": 3,
    "PADV2": 3,
    "PRELU": 1,
    "QUANTIZE": 2,
    "REDUCE_MAX": 3,
    "REDUCE_MIN": 3,
    "RELU": 3,
    "RELU6": 3,
    "RELU_N1_TO_1": 1,
    "RESHAPE": 1,
    "RESIZE_BILINEAR": 4,
    "RESIZE_NEAREST_NEIGHBOR": 4,
    "RSQRT": 2,
    "SHAPE": 1,
    "SLICE": 5,
    "SOFTMAX": 3,
    "SPACE_TO_BATCH_ND": 3,
    "SPACE_TO_DEPTH": 2,
    "SPLIT": 4,
    "SPLIT_V": 2,
    "SQUARED_DIFFERENCE": 2,
    "SQUEEZE": 2,
    "STRIDED_SLICE": 5,
    "SUB": 5,
    "SUM": 2,
    "TANH": 3,
    "TILE": 2,
    "TRANSPOSE": 5,
    "TRANSPOSE_CONV": 3,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 3,
    "UNPACK": 4,
}


def version_is_read(operator: Operator) -> str | None:
    """Finds operators that are newer than the compiler."""
    highest = HIGHEST.get(operator.name)
    if highest is None or operator.version <= highest:
        return None
    return (
        f"Version {operator.version}; compiler 16.0 reads at most {highest} and refuses the "
        "whole file. Leave out what needs the newer version, or replace the layer."
    )
