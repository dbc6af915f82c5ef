"""What a table measured now would hold for: this bundle, this runtime, this device."""

import hashlib
import os
import platform

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.folder import read_file
from tnn_tflite.bundle.manifest import LARGEST_MANIFEST, MANIFEST
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.latency.table import Conditions

# What /proc/cpuinfo calls the processor: on x86, on a Raspberry Pi, on other boards.
_NAMES = ("model name", "Model", "Hardware")


def conditions_of(bundle: Bundle, runtime: Runtime) -> Conditions:
    """Returns the conditions of a measurement made now.

    Args:
        bundle: The bundle.
        runtime: What runs it.
    """
    manifest = read_file(bundle.directory, MANIFEST, limit=LARGEST_MANIFEST)
    return Conditions(
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        runtime=runtime.name,
        num_threads=runtime.num_threads,
        delegate=runtime.delegate,
        device=device_name(),
    )


def device_name(cpuinfo: str = "/proc/cpuinfo") -> str:
    """Returns the processor and the number of cores, for example `"ARMv7 Processor, 4 cores"`.

    Args:
        cpuinfo: Where Linux describes the processor.
    """
    name = _described(cpuinfo) or platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def _described(cpuinfo: str) -> str | None:
    try:
        with open(cpuinfo, encoding="utf-8", errors="replace") as file:
            pairs = [line.split(":", 1) for line in file if ":" in line]
    except OSError:
        return None
    found = {key.strip(): value.strip() for key, value in pairs}
    return next((found[name] for name in _NAMES if found.get(name)), None)
