"""The header with the segments of a network with exits, in plain C, and what fills it."""

import math
from collections.abc import Sequence

from tnn_tflite.micro.level import MicroSegment
from tnn_tflite.micro.tensor_table import SIZES, declarations, quoted, tensor_row
from tnn_tflite.utilization import ROUNDING

HEADER = """\
#ifndef TNN_SEGMENTS_H_
#define TNN_SEGMENTS_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define TNN_NUM_LEVELS {num_levels}
#define TNN_NUM_EXITS {num_exits}
#define TNN_MAX_INPUTS {max_inputs}
#define TNN_MAX_OUTPUTS {max_outputs}
#define TNN_MAX_DIMENSIONS {max_dimensions}
/* The arena in which all segments can run in turn, as measured; 0 if it was not. */
#define TNN_ARENA_BYTES {arena_bytes}
/* What the segments of a level hand on in all. It is kept outside of the arena. */
#define TNN_HANDED_BYTES {handed_bytes}
/* In the place of a segment: an input of the network. */
#define TNN_NETWORK_INPUT (-1)

{declarations}

typedef struct {{
  int segment; /* of this level, from 0; or TNN_NETWORK_INPUT */
  int index;   /* which of its outputs, or which input of the network */
}} TnnOrigin;

typedef struct {{
  const char* exit; /* that it ends in */
  double utilization; /* of its level */
  const unsigned char* data; /* aligned to 16 bytes */
  uint32_t length;
  uint64_t macs;        /* for one sample, of this segment alone */
  uint32_t arena_bytes; /* 0 if not measured */
  int num_inputs;
  int num_outputs;
  int answer; /* which output is the exit's; the others are handed on */
  TnnTensor inputs[TNN_MAX_INPUTS]; /* in the interpreter's order */
  TnnOrigin origins[TNN_MAX_INPUTS]; /* of each input */
  TnnTensor outputs[TNN_MAX_OUTPUTS];
}} TnnSegment;

/* Of each level, rising in utilization, those that run in turn. */
extern const TnnSegment tnn_segments[TNN_NUM_LEVELS][TNN_NUM_EXITS];

/* The segments of the highest level that is not above `utilization`, in (0, 1]; below all of them
   those of the lowest. */
static inline const TnnSegment* tnn_segments_for(double utilization) {{
  int i = TNN_NUM_LEVELS - 1;
  while (i > 0 && tnn_segments[i][0].utilization > utilization + {rounding}) --i;
  return tnn_segments[i];
}}

#ifdef __cplusplus
}}
#endif

#endif /* TNN_SEGMENTS_H_ */
"""


def segments_header(levels: Sequence[Sequence[MicroSegment]]) -> str:
    """Returns `tnn_segments.h`.

    Args:
        levels: The segments of each level, rising in utilization, with the same exits.
    """
    segments = [one for level in levels for one in level]
    tensors = [x for one in segments for x in (*one.graph.inputs, *one.graph.outputs)]
    return HEADER.format(
        num_levels=len(levels),
        num_exits=len(levels[0]),
        max_inputs=max(len(one.graph.inputs) for one in segments),
        max_outputs=max(len(one.graph.outputs) for one in segments),
        max_dimensions=max(1, *(len(x.shape) for x in tensors)),
        arena_bytes=max(one.arena_bytes or 0 for one in segments),
        handed_bytes=max(map(_handed_bytes, levels)),
        declarations=declarations(),
        rounding=ROUNDING,
    )


def segments_source(levels: Sequence[Sequence[MicroSegment]]) -> str:
    """Returns `tnn_segments.cc`, which fills the table."""
    segments = [one for level in levels for one in level]
    arrays = [
        f"extern const unsigned char {segment_array(number)}[{len(one.content)}];"
        for number, one in enumerate(segments)
    ]
    rows = [_row(number, one) for number, one in enumerate(segments)]
    per_level = len(levels[0])
    chains = [rows[start : start + per_level] for start in range(0, len(rows), per_level)]
    body = ["\n".join(["  {", *chain, "  },"]) for chain in chains]
    table = ["const TnnSegment tnn_segments[TNN_NUM_LEVELS][TNN_NUM_EXITS] = {", *body, "};"]
    return "\n".join(['#include "tnn_segments.h"', "", *arrays, "", *table, ""])


def segment_array(number: int) -> str:
    """Returns the identifier of a segment's array; all levels are counted through."""
    return f"tnn_segment_{number}"


def _handed_bytes(segments: Sequence[MicroSegment]) -> int:
    handed = {origin for one in segments for origin in one.origins if origin[0] >= 0}
    tensors = [segments[number].graph.outputs[index] for number, index in handed]
    return sum(math.prod(x.shape) * SIZES.get(x.type, 1) for x in tensors)


def _row(number: int, one: MicroSegment) -> str:
    graph = one.graph
    content = f"{segment_array(number)}, {len(one.content)}, {one.macs}ull, {one.arena_bytes or 0}"
    counts = f"{len(graph.inputs)}, {len(graph.outputs)}, {one.answer}"
    inputs = ", ".join(map(tensor_row, graph.inputs))
    origins = ", ".join(f"{{{segment}, {index}}}" for segment, index in one.origins)
    outputs = ", ".join(map(tensor_row, graph.outputs))
    return (
        f"    {{{quoted(one.exit)}, {one.utilization!r}, {content}, {counts},\n"
        f"     {{{inputs}}},\n     {{{origins}}},\n     {{{outputs}}}}},"
    )
