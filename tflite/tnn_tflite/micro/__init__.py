"""A bundle as C arrays for tflite-micro, with all that a firmware has to know about its levels.

`export_micro` writes a folder: one array a level, a header with the table of levels and
`tnn_level_for`, a header that adds the operators to tflite-micro's resolver, and the table of flash
and RAM as text. The header needs nothing but the C library: a test compiles it alone.

Of a network with exits it is one array a segment, and the header says for each input where it comes
from: `tnn_segments_for` gives the segments of a level, to be run in turn.

A microcontroller cannot cut a level from a larger one, so each level is stored whole: the flash is
their sum. All levels can take turns in one arena, so the RAM is that of the largest.
"""

from tnn_tflite.micro.arena import smallest_arena
from tnn_tflite.micro.export import MicroLevel, MicroReport, export_micro
from tnn_tflite.micro.level import MicroSegment

__all__ = ["MicroLevel", "MicroReport", "MicroSegment", "export_micro", "smallest_arena"]
