"""What a bundle is: one network at several levels, and the tensors that go in and out.

A bundle is a folder. `manifest.json` describes it (see `manifest.py`). Each level is a `.tflite`
file with static batch 1, or is cut from one file that all levels share (see `sharing`). All levels
have the same inputs and outputs.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tnn_tflite.bundle.folder import open_file, read_file
from tnn_tflite.errors import BundleError
from tnn_tflite.sharing.cut_level import cut_level

LAYOUTS = ("files", "single", "signatures")


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
class Quantization:
    """How integers stand for real numbers: `real = scale * (integer - zero_point)`.

    Args:
        scale: The step between neighbours, above 0.
        zero_point: The integer that stands for 0.
    """

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Level:
    """One deployed operating point.

    Args:
        utilization: How much of the network runs, in (0, 1].
        file: Name of the `.tflite` file in the bundle's folder that holds the level.
        macs: Multiply-accumulate operations for one sample.
        parameters: Number of weights.
        bytes: Size in bytes of the level's own TFLite content, also where it is cut from a
            file that all levels share.
        sha256: SHA-256 of that content, 64 lower-case hexadecimal digits.
        input_quantization: For each input, how its integers stand for reals, None for one that
            is no such integer. Empty if no input is.
        output_quantization: The same for the outputs.
    """

    utilization: float
    file: str
    macs: int
    parameters: int
    bytes: int
    sha256: str
    input_quantization: tuple[Quantization | None, ...] = ()
    output_quantization: tuple[Quantization | None, ...] = ()


@dataclass(frozen=True)
class SharedFile:
    """The one file of a bundle that holds every level.

    Args:
        file: Its name in the bundle's folder.
        bytes: Its size in bytes.
        sha256: Its SHA-256, 64 lower-case hexadecimal digits.
    """

    file: str
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
        layout: `"files"`: a file for each level. `"single"`: the file of the highest level, by
            which the lower ones are cut. `"signatures"`: one file with a signature for each.
        shared: The file of all levels in the last two layouts, else None.
    """

    format_version: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    levels: tuple[Level, ...]
    directory: Path
    layout: str = "files"
    shared: SharedFile | None = None

    def read_level(self, level: Level) -> bytes:
        """Returns the plain TFLite content of a level, its size and hash verified.

        Give these bytes to the interpreter, not the path: a file that changes after the check
        is then never run.

        Args:
            level: One of `levels`.

        Returns:
            The bytes of a `.tflite` file with one signature, whatever the layout.

        Raises:
            BundleError: If the file is missing or is not the one that the manifest describes.
        """
        if self.shared is None:
            content = read_file(self.directory, level.file, limit=level.bytes)
        else:
            content = self._cut_level(level)
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
                expected=f"SHA-256 {level.sha256} of {self._name(level)}",
                received=f"{digest}; the file was changed or damaged",
            )
        return content

    def _cut_level(self, level: Level) -> bytes:
        with open_file(self.directory, level.file) as file:
            return cut_level(
                file, self.levels.index(level), size=level.bytes, name=str(self.directory)
            )

    def _name(self, level: Level) -> str:
        own = f"'{level.file}'"
        return own if self.shared is None else f"level u={level.utilization:g} in {own}"
