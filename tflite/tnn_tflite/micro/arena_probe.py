"""The child that tries arenas: each in a fork of its own, since one that is too small may crash.

It reads a TFLite file from standard input and prints the size of the smallest arena.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

RUNTIME = "tflite_micro.python.tflite_micro.runtime"
STEP = 16  # bytes; tflite-micro aligns the arena to it
FIRST = 1024
LARGEST = 2**30


def smallest(fits: Callable[[int], bool]) -> int | None:
    """Returns the smallest multiple of 16 for which `fits` is true, or None above 1 GiB.

    Args:
        fits: True for all sizes from some size on.

    Example:

    >>> smallest(lambda size: size >= 5000)
    5008
    """
    high = FIRST
    while not fits(high):
        high *= 2
        if high > LARGEST:
            return None
    low = 0 if high == FIRST else high // 2  # known not to fit
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def main() -> None:
    importlib.import_module(RUNTIME)  # here once, and not in each fork
    content = sys.stdin.buffer.read()
    size = smallest(lambda arena: _in_a_fork(lambda: _open(content, arena), quiet=True))
    # Once more with its voice: if no arena fits, it says why.
    if not _in_a_fork(lambda: _run(content, size or LARGEST), quiet=False):
        sys.exit(1)
    print(size)


def _open(content: bytes, arena: int) -> Any:
    return importlib.import_module(RUNTIME).Interpreter.from_bytes(content, arena_size=arena)


def _run(content: bytes, arena: int) -> None:
    interpreter = _open(content, arena)
    details = interpreter.get_input_details(0)
    interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
    interpreter.invoke()


def _in_a_fork(action: Callable[[], object], quiet: bool) -> bool:
    """Whether an action ends well in a process of its own."""
    child = os.fork()
    if child == 0:
        if quiet:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            action()
        except BaseException as error:  # whatever it is, this process must not live on
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
