"""The header with the table of levels, in plain C, and the source that fills it."""

from collections.abc import Sequence

from tnn_tflite.micro.level import MicroLevel
from tnn_tflite.micro.tensor_table import declarations, tensor_row
from tnn_tflite.utilization import ROUNDING

HEADER = """\
#ifndef TNN_LEVELS_H_
#define TNN_LEVELS_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define TNN_NUM_LEVELS {num_levels}
#define TNN_NUM_INPUTS {num_inputs}
#define TNN_NUM_OUTPUTS {num_outputs}
#define TNN_MAX_DIMENSIONS {max_dimensions}
/* The arena in which all levels can run in turn, as measured; 0 if it was not. */
#define TNN_ARENA_BYTES {arena_bytes}

{declarations}

typedef struct {{
  double utilization;
  const unsigned char* data; /* aligned to 16 bytes */
  uint32_t length;
  uint64_t macs;        /* for one sample */
  uint32_t arena_bytes; /* 0 if not measured */
  TnnTensor inputs[TNN_NUM_INPUTS]; /* in the interpreter's order */
  TnnTensor outputs[TNN_NUM_OUTPUTS];
}} TnnLevel;

/* Rising in utilization. */
extern const TnnLevel tnn_levels[TNN_NUM_LEVELS];

/* The highest level that is not above `utilization`, in (0, 1]; below all of them the lowest. */
static inline const TnnLevel* tnn_level_for(double utilization) {{
  int i = TNN_NUM_LEVELS - 1;
  while (i > 0 && tnn_levels[i].utilization > utilization + {rounding}) --i;
  return &tnn_levels[i];
}}

#ifdef __cplusplus
}}
#endif

#endif /* TNN_LEVELS_H_ */
"""


def array_name(number: int) -> str:
    """Returns the identifier of a level's array."""
    return f"tnn_level_{number}"


def levels_header(levels: Sequence[MicroLevel]) -> str:
    """Returns `tnn_levels.h`.

    Args:
        levels: Rising in utilization, with the same inputs and outputs.
    """
    graph = levels[0].graph
    return HEADER.format(
        num_levels=len(levels),
        num_inputs=len(graph.inputs),
        num_outputs=len(graph.outputs),
        max_dimensions=max(1, *(len(x.shape) for x in (*graph.inputs, *graph.outputs))),
        arena_bytes=max(level.arena_bytes or 0 for level in levels),
        declarations=declarations(),
        rounding=ROUNDING,
    )


def levels_source(levels: Sequence[MicroLevel]) -> str:
    """Returns `tnn_levels.cc`, which fills the table."""
    rows = [_row(number, level) for number, level in enumerate(levels)]
    arrays = [
        f"extern const unsigned char {array_name(number)}[{len(level.content)}];"
        for number, level in enumerate(levels)
    ]
    table = ["const TnnLevel tnn_levels[TNN_NUM_LEVELS] = {", *rows, "};"]
    return "\n".join(['#include "tnn_levels.h"', "", *arrays, "", *table, ""])


def _row(number: int, level: MicroLevel) -> str:
    numbers = f"{level.utilization!r}, {array_name(number)}, {len(level.content)}, {level.macs}ull"
    inputs = ", ".join(tensor_row(x) for x in level.graph.inputs)
    outputs = ", ".join(tensor_row(x) for x in level.graph.outputs)
    return f"    {{{numbers}, {level.arena_bytes or 0},\n     {{{inputs}}},\n     {{{outputs}}}}},"
