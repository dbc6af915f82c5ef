"""The smallest tensor arena in which tflite-micro can run a level, measured with its interpreter.

It is measured on this machine: pointers of 8 bytes in the place of 4, and the reference kernels.
On a 32-bit device the same kernels need less; kernels with scratch buffers of their own, such as
CMSIS-NN's, can need more. Leave room, and ask `arena_used_bytes()` on the device.
"""

import importlib.util
import subprocess

from tnn_tflite.children.process import command

SECONDS = 300  # the network runs once, on reference kernels


def check_tflite_micro() -> None:
    """Raises `ImportError` unless tflite-micro is installed."""
    if importlib.util.find_spec("tflite_micro") is None:
        raise ImportError(
            "Measuring the arena needs tflite-micro: pip install keras-tnn[micro]. "
            "Or leave it out: export_micro(..., measure_arena=False), --nomeasure_arena"
        )


def smallest_arena(content: bytes) -> int:
    """Measures the arena of a level.

    An arena that is much too small ends the process that tries it, so a child does.

    Args:
        content: The bytes of a plain `.tflite` file.

    Returns:
        The size in bytes, a multiple of 16.

    Raises:
        ImportError: If tflite-micro is not installed.
        ValueError: If tflite-micro cannot run the level in any arena.
    """
    check_tflite_micro()
    child = subprocess.run(
        command("tnn_tflite.micro.arena_probe"),
        input=content,
        capture_output=True,
        timeout=SECONDS,
    )
    if child.returncode != 0:
        reasons = "; ".join(child.stderr.decode(errors="replace").split("\n")[-4:])
        raise ValueError(
            "Invalid value for `content`. Expected a network that tflite-micro can run. "
            f"Received: {reasons.strip('; ') or 'one that ends its process'}. "
            "See what 'keras-tnn lint --target=micro' says"
        )
    return int(child.stdout)
