"""A writer that is killed, or runs out of disk, leaves the old bundle or the new one, whole.

Fifty kills, and kills of whole conversions, are in `benchmarks/soak.py`.
"""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from tnn_tflite import TensorSpec
from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.writer import write_bundle
from writer import WRITER, number_of


@pytest.mark.parametrize("steps", [1, 2])
def test_kills_at_random_moments(tmp_path, start_alone, steps):
    directory = tmp_path / "bundle"
    draw = random.Random(steps)
    for _ in range(5):
        writer = start_alone(WRITER, directory, steps, stdout=subprocess.PIPE, text=True)
        writer.stdout.readline()  # one bundle stands
        time.sleep(draw.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        told = [int(line) for line in writer.communicate()[0].split()]
        if steps == 2 and not directory.exists():
            (aside,) = tmp_path.glob(".bundle.old-*")
            assert number_of(aside) >= max(told, default=1)
        else:
            assert number_of(directory) >= max(told, default=1)
    write_bundle(directory, last_contents())
    assert os.listdir(tmp_path) == ["bundle"]


def last_contents():
    spec = (TensorSpec("x", (2,), "float32"),)
    return [LevelContent(b"last", spec, spec, macs=1, parameters=1, utilization=1.0)]


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))  # bytes; a level has 65,536
"""


@pytest.mark.skipif(os.name != "posix", reason="needs the limits of Unix")
def test_a_file_that_may_not_grow(tmp_path, start_alone):
    writer = start_alone(WRITER, tmp_path / "bundle", 1, stdout=subprocess.PIPE, text=True)
    writer.stdout.readline()
    writer.kill()
    writer.communicate()
    before = number_of(tmp_path / "bundle")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    writer = start_alone(LIMITED + WRITER, tmp_path / "bundle", 1, **pipes)
    output, errors = writer.communicate(timeout=60)
    assert (output, writer.returncode) == ("", 1)
    assert "File too large" in errors
    assert number_of(tmp_path / "bundle") == before
    assert os.listdir(tmp_path) == ["bundle"]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB: two bundles of 512 kB do not fit beside their folders and manifests."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("may not mount a small disk here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(small_disk, start_alone):
    """The writer replaces bundle 1 until the disk is full, which is at once."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    writer = start_alone(WRITER, small_disk / "bundle", 1, **pipes)
    output, errors = writer.communicate(timeout=60)
    assert (output, writer.returncode) == ("1\n", 1)
    assert "No space left on device" in errors
    assert number_of(small_disk / "bundle") == 1
    assert os.listdir(small_disk) == ["bundle"]
