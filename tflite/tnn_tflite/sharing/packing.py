"""TFLite models as Python objects: which subgraphs an operator names, and back to bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

ALIGNMENT = 16  # bytes, as the schema asks for buffers
IDENTIFIER = b"TFL3"
# The options of operators that name other subgraphs.
SUBGRAPH_OPTIONS = (
    "thenSubgraphIndex",
    "elseSubgraphIndex",
    "condSubgraphIndex",
    "bodySubgraphIndex",
    "subgraph",
    "initSubgraphIndex",
)


def renumber_subgraphs(operator: Any, place_of: Callable[[int], int]) -> None:
    """Exchanges the places of the subgraphs that an operator names, such as both sides of an IF.

    Args:
        operator: An `OperatorT`, changed in place.
        place_of: Gives the new place of a subgraph.
    """
    for options in (operator.builtinOptions, operator.builtinOptions2):
        for name in SUBGRAPH_OPTIONS:
            if getattr(options, name, -1) >= 0:
                setattr(options, name, place_of(getattr(options, name)))


def aligned_buffer(schema: Any, data: np.ndarray | None = None) -> Any:
    """Returns a buffer that packs as the schema asks for; the generated class aligns to a byte."""

    class AlignedBuffer(schema.BufferT):
        def Pack(self, builder: Any) -> int:
            vector = None if self.data is None else _aligned_vector(builder, self.data)
            schema.BufferStart(builder)
            if vector is not None:
                schema.BufferAddData(builder, vector)
            return schema.BufferEnd(builder)

    buffer = AlignedBuffer()
    buffer.data = data
    return buffer


def packed(model: Any) -> bytes:
    """Returns the bytes of a file.

    Args:
        model: A `ModelT` whose buffers `aligned_buffer` made.
    """
    import flatbuffers

    size = sum(0 if buffer.data is None else buffer.data.nbytes for buffer in model.buffers)
    builder = flatbuffers.Builder(size + size // 8 + 65536)  # or it doubles, and copies, many times
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _aligned_vector(builder: Any, data: np.ndarray) -> int:
    # A vector of bytes can be aligned to one byte only, so its end is moved first.
    builder.Prep(ALIGNMENT, data.nbytes)
    return builder.CreateNumpyVector(data)
