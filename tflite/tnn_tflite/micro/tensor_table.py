"""What a firmware knows about a tensor, in plain C."""

from tnn_tflite.lint.operator_graph import Tensor

# Element types of inputs and outputs, and their C types.
TYPES = {"FLOAT32": "float", "INT8": "int8_t", "UINT8": "uint8_t", "INT16": "int16_t"}
TYPES |= {"INT32": "int32_t", "INT64": "int64_t", "BOOL": "bool"}
SIZES = {"FLOAT32": 4, "INT16": 2, "INT32": 4, "INT64": 8}  # bytes; others have one

DECLARATIONS = """\
typedef enum {
%s
} TnnType;

typedef struct {
  const char* name;
  TnnType type;
  int num_dimensions;
  int shape[TNN_MAX_DIMENSIONS]; /* batch axis included */
  float scale;                   /* real = scale * (q - zero_point); 0 for floats */
  int zero_point;
} TnnTensor;"""


def declarations() -> str:
    """Returns the types that describe a tensor; `TNN_MAX_DIMENSIONS` is defined before them."""
    return DECLARATIONS % ",\n".join(
        f"  TNN_{name} /* {c_type} */" for name, c_type in TYPES.items()
    )


def tensor_row(tensor: Tensor) -> str:
    """Returns a tensor as the value of a `TnnTensor`."""
    shape = ", ".join(map(str, tensor.shape)) or "0"
    scale, zero_point = (*tensor.scales, 0.0)[0], (*tensor.zero_points, 0)[0]
    name = quoted(tensor.name)
    return (
        f"{{{name}, TNN_{tensor.type}, {len(tensor.shape)}, {{{shape}}}, {scale!r}f, {zero_point}}}"
    )


def quoted(name: str) -> str:
    """A name as a C string. Signatures allow few characters, but a file can hold any."""
    return (
        '"' + "".join(c if c.isalnum() and c.isascii() or c in "_.-:/" else "_" for c in name) + '"'
    )
