"""Levels as the signatures of one file, for runtimes that read nothing but TFLite.

Each level's subgraphs, operators and buffers are added to one model. Equal buffers are stored once:
that is much for levels that leave blocks out, and little for levels that slice kernels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tnn_tflite.sharing.packing import aligned_buffer, packed, renumber_subgraphs
from tnn_tflite.sharing.schema import load_schema


def signature_key(utilization: float) -> str:
    """Returns the name of a level's signature.

    >>> signature_key(0.5)
    'u0.5'
    """
    return f"u{utilization}"


def merge(files: Mapping[float, bytes]) -> bytes:
    """Returns one TFLite file with a signature for each level.

    Args:
        files: TFLite files with one signature by their utilization. The signature of `0.5` is
            called `"u0.5"`; its inputs and outputs keep their names.
    """
    schema = load_schema()
    merged = _empty(schema)
    places: dict[bytes, int] = {b"": 0}  # buffer 0 is the empty one
    # The highest level first: it is what a runtime without signatures runs.
    for utilization in sorted(files, reverse=True):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(files[utilization], 0))
        _add(merged, model, signature_key(utilization), places)
    return packed(merged)


def _empty(schema: Any) -> Any:
    model = schema.ModelT()
    model.version = 3
    model.description = "tnn_tflite"
    model.operatorCodes, model.subgraphs, model.signatureDefs = [], [], []
    model.buffers, model.metadata = [aligned_buffer(schema)], []
    return model


def _add(merged: Any, model: Any, key: str, places: dict[bytes, int]) -> None:
    buffers = [_buffer_place(merged, buffer, places) for buffer in model.buffers]
    codes = [_code_place(merged, code) for code in model.operatorCodes]
    first = len(merged.subgraphs)
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.buffer = buffers[tensor.buffer]
        for operator in subgraph.operators or ():
            operator.opcodeIndex = codes[operator.opcodeIndex]
            renumber_subgraphs(operator, lambda place: place + first)
        merged.subgraphs.append(subgraph)
    if len(model.signatureDefs or ()) != 1:
        raise ValueError(
            "Invalid value for `files`. Expected one signature in each file. Received: "
            f"{len(model.signatureDefs or ())} in that of {key!r}"
        )
    (signature,) = model.signatureDefs
    signature.signatureKey = key
    signature.subgraphIndex += first
    merged.signatureDefs.append(signature)
    _add_metadata(merged, model, buffers)


def _buffer_place(merged: Any, buffer: Any, places: dict[bytes, int]) -> int:
    if buffer.data is None or not len(buffer.data):
        return 0
    data = np.asarray(buffer.data, np.uint8)
    digest = hashlib.sha256(data).digest()
    if digest not in places:
        places[digest] = len(merged.buffers)
        merged.buffers.append(aligned_buffer(load_schema(), data))
    return places[digest]


def _code_place(merged: Any, code: Any) -> int:
    for place, other in enumerate(merged.operatorCodes):
        if vars(other) == vars(code):
            return place
    merged.operatorCodes.append(code)
    return len(merged.operatorCodes) - 1


def _add_metadata(merged: Any, model: Any, buffers: list[int]) -> None:
    """Keeps what the converter says of itself, once: the levels say the same."""
    known = {entry.name for entry in merged.metadata}
    for entry in model.metadata or ():
        if entry.name not in known:
            entry.buffer = buffers[entry.buffer]
            merged.metadata.append(entry)
