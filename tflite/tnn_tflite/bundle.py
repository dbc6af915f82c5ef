"""What a bundle is: one network at several levels, and the tensors that go in and out.

A bundle is a folder. `manifest.json` describes it (see `manifest.py`), and each level is one
`.tflite` file with static batch 1. All levels share their inputs and outputs.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tnn_tflite.errors import BundleError
from tnn_tflite.folder import read_file


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the network.

    Args:
        name: The Keras name of the input or output.
        shape: The shape of one sample, without the batch axis.
        dtype: The numpy name of the element type, for example `"float32"`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Level:
    """One deployed operating point.

    Args:
        utilization: How much of the network runs, in (0, 1].
        file: Name of the `.tflite` file in the bundle's folder.
        macs: Multiply-accumulate operations for one sample.
        parameters: Number of weights.
        bytes: Size of the file in bytes.
        sha256: SHA-256 of the file, 64 lower-case hexadecimal digits.
    """

    utilization: float
    file: str
    macs: int
    parameters: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """A network at several levels.

    Args:
        format_version: Version of the bundle format.
        inputs: The inputs in Keras order.
        outputs: The outputs in Keras order.
        levels: The levels, from the lowest utilization to the highest.
        directory: The folder that holds the files.
    """

    format_version: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    levels: tuple[Level, ...]
    directory: Path

    def read_level(self, level: Level) -> bytes:
        """Returns the content of a level's file, its size and hash verified.

        Give these bytes to the interpreter, not the path: a file that changes after the check
        is then never run.

        Args:
            level: One of `levels`.

        Returns:
            The bytes of the `.tflite` file.

        Raises:
            BundleError: If the file is missing or is not the one that the manifest describes.
        """
        content = read_file(self.directory, level.file, limit=level.bytes)
        if len(content) != level.bytes:
            raise BundleError.at(
                self.directory,
                expected=f"{level.bytes} bytes in '{level.file}'",
                received="another size; the file was cut off or replaced",
            )
        digest = hashlib.sha256(content).hexdigest()
        if digest != level.sha256:
            raise BundleError.at(
                self.directory,
                expected=f"SHA-256 {level.sha256} of '{level.file}'",
                received=f"{digest}; the file was changed or damaged",
            )
        return content
