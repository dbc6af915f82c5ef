"""A program that writes one bundle after the other to one place, and how to read what stands."""

from tnn_tflite import read_bundle

# Writes bundles of 8 levels of 64 kB one after the other, each filled with its number.
WRITER = """
import itertools, sys
from tnn_tflite import TensorSpec
from tnn_tflite.bundle import exchange
from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.writer import write_bundle

SPEC = (TensorSpec("x", (2,), "float32"),)
if sys.argv[2] == "2":
    exchange._system_function = lambda: None  # a system that replaces in two steps

def contents(number):
    for level in range(1, 9):
        yield LevelContent(
            bytes([number % 256]) * 65536, SPEC, SPEC, number, 1, utilization=level / 8
        )

for number in itertools.count(1):
    write_bundle(sys.argv[1], contents(number))
    print(number, flush=True)
"""


def number_of(directory):
    """Returns the number that all levels of a bundle have, in the manifest and in the files."""
    bundle = read_bundle(directory)
    (number,) = {level.macs for level in bundle.levels}
    for level in bundle.levels:
        assert set(bundle.read_level(level)) == {number % 256}
    assert len(bundle.levels) == 8
    return number
