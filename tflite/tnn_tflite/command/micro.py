"""Writes a bundle as C++ sources for microcontrollers: arrays, a table of levels, operators.

Of a network with exits it is a table of segments, in the order in which they run.

OUT is a folder that does not exist, is empty, or was written by this command. Convert the bundle
with integers throughout: keras-tnn convert net.keras bundle --quantization=int8
--inference_type=int8. Prints the flash and the arena of each level, measured with tflite-micro's
interpreter (pip install keras-tnn[micro]).

    keras-tnn micro bundle firmware/network
"""

from collections.abc import Sequence

from absl import flags

from tnn_tflite.command.arguments import Arguments
from tnn_tflite.micro import export_micro


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn micro BUNDLE OUT [FLAGS]", __doc__)
    flags.DEFINE_bool(
        "measure_arena", True, "measure the arena of each level", flag_values=arguments.flags
    )
    found = arguments.parse(argv)
    if found is None:
        return
    directory, out = found
    report = export_micro(directory, out, arguments.flags.measure_arena)
    print(f"{report}\n\nwrote {len(report.files)} files to {out}")
