"""Which int8 kernel was made from which float32 kernel of the same network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tnn_tflite.sharing.constants import KERNEL_OPERATORS, LocatedTensor, Subgraph, TFLiteFile, Use

HALF_STEP = 0.51  # rounding to the grid, and the rounding of the float32 numbers themselves


@dataclass(frozen=True, eq=False)
class Pair:
    """A kernel in the int8 file and in the float32 file of a level.

    Args:
        graph: The int8 subgraph.
        kernel: The int8 kernel.
        axis: Its axis of output channels.
        uses: The operators that read it.
        float_graph: The float32 subgraph.
        float_kernel: The float32 kernel.
        float_uses: The operators that read the float32 kernel, in the same order.
    """

    graph: Subgraph
    kernel: LocatedTensor
    axis: int
    uses: list[Use]
    float_graph: Subgraph
    float_kernel: LocatedTensor
    float_uses: list[Use]


def pairs(file: TFLiteFile, float_file: TFLiteFile) -> dict[int, Pair]:
    """Returns the kernels of an int8 file by the place of their float32 kernels.

    Quantization keeps the order of operators, mostly, but not the names of constants. So a pair
    is two kernels whose numbers are the same up to half a step.
    """
    found = {}
    for graph, float_graph in zip(file.graphs, float_file.graphs, strict=False):
        free = list(graph.kernels)
        for float_kernel, float_uses in float_graph.kernels:
            for candidate in free:
                kernel, uses = candidate
                axis = KERNEL_OPERATORS[float_uses[0].operator]
                if _same_operators(uses, float_uses) and _on_grid(kernel, float_kernel, axis):
                    free.remove(candidate)
                    found[float_kernel.constant.at] = Pair(
                        graph, kernel, axis, uses, float_graph, float_kernel, float_uses
                    )
                    break
    return found


def _same_operators(uses: list[Use], others: list[Use]) -> bool:
    return [(use.operator, use.bias is None) for use in uses] == [
        (use.operator, use.bias is None) for use in others
    ]


def _on_grid(kernel: LocatedTensor, float_kernel: LocatedTensor, axis: int) -> bool:
    if kernel.type != "int8" or kernel.scales is None or kernel.shape != float_kernel.shape:
        return False
    if kernel.scales.array.size not in (1, kernel.shape[axis]):
        return False
    step = along(kernel.scales.array, axis, len(kernel.shape))
    reals = kernel.constant.array * step
    return bool((np.abs(reals - float_kernel.constant.array) <= HALF_STEP * step).all())


def is_alone(file: TFLiteFile, graph: Subgraph, tensor: LocatedTensor, readers: int = 1) -> bool:
    """Whether nothing else of the file would change with a tensor."""
    return file.buffer_users[tensor.buffer] == 1 and graph.readers[tensor.number] == readers


def along(values: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """Values of one axis in the shape that numpy repeats along the others."""
    shape = np.ones(rank, int)
    shape[axis] = -1
    return values.reshape(shape)
