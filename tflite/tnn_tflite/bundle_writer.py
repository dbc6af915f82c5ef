"""Writing a bundle so that a reader finds the old one or the new one, never half of each.

All files go into a temporary folder beside the destination, are flushed to the disk, and the
folder is then renamed. An existing bundle is moved aside first, and put back if that fails.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tnn_tflite.bundle import Bundle, Level, TensorSpec
from tnn_tflite.errors import BundleError
from tnn_tflite.manifest import MANIFEST, manifest_text, read_bundle


@dataclass(frozen=True)
class LevelContent:
    """One level, ready to be written.

    Args:
        utilization: How much of the network runs, in (0, 1].
        content: The bytes of the `.tflite` file.
        inputs: The inputs in Keras order; the same for every level.
        outputs: The outputs in Keras order; the same for every level.
        macs: Multiply-accumulate operations for one sample.
        parameters: Number of weights.
    """

    utilization: float
    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    macs: int
    parameters: int


def write_bundle(directory: str | os.PathLike, contents: Iterable[LevelContent]) -> Bundle:
    """Writes a bundle, or leaves everything as it was.

    Args:
        directory: Where the bundle shall stand. A new or empty folder, or an older bundle,
            which is replaced.
        contents: The levels, rising in utilization. They may be made one by one while they
            are written.

    Returns:
        The bundle, read back and checked.

    Raises:
        BundleError: If the destination holds something else than a bundle.
        ValueError: If the levels differ in their inputs or outputs.
    """
    check_destination(directory)
    destination = Path(os.path.realpath(directory))
    destination.parent.mkdir(parents=True, exist_ok=True)
    with _temporary_sibling(destination, "new") as folder:
        _write_files(folder, contents)
        read_bundle(folder)
        check_destination(directory)
        replace_folder(destination, folder)
    return read_bundle(directory)


def check_destination(directory: str | os.PathLike) -> None:
    """Raises `BundleError` unless a bundle may be written to `directory`.

    A folder that holds anything but one bundle is refused: replacing it would delete files
    that nobody asked to delete.
    """
    destination = Path(os.path.realpath(directory))
    if not destination.exists() or destination.is_dir() and not any(destination.iterdir()):
        return
    if not destination.is_dir() or not (destination / MANIFEST).is_file():
        raise BundleError.at(
            directory,
            expected="a new or empty folder, or an older bundle to replace",
            received="a folder with other files" if destination.is_dir() else "a file",
            advice="Choose another destination, or move it away.",
        )
    known = _own_files(directory)
    others = sorted(path.name for path in destination.iterdir() if path.name not in known)
    if others:
        raise BundleError.at(
            directory,
            expected="only the bundle's own files in the folder that it replaces",
            received=", ".join(others[:5]),
            advice="Move them away, or choose another destination.",
        )


def _own_files(directory: str | os.PathLike) -> set[str]:
    try:
        return {MANIFEST, *(level.file for level in read_bundle(directory).levels)}
    except BundleError as error:
        raise BundleError.at(
            directory,
            expected="an intact bundle to replace",
            received=f"a damaged one ({error})",
            advice="Move it away, or choose another destination.",
        ) from error


def _write_files(folder: Path, contents: Iterable[LevelContent]) -> None:
    levels: list[Level] = []
    first: LevelContent | None = None
    for content in contents:
        first = first or content
        _check_same_tensors(first, content)
        levels.append(_write_level(folder, content))
    if first is None:
        raise ValueError("Invalid value for `contents`. Expected at least one level. Received: []")
    text = manifest_text(first.inputs, first.outputs, tuple(levels))
    _write_file(folder / MANIFEST, text.encode())
    _flush_folder(folder)


def _write_level(folder: Path, content: LevelContent) -> Level:
    file = f"u{content.utilization}.tflite"
    _write_file(folder / file, content.content)
    return Level(
        utilization=content.utilization,
        file=file,
        macs=content.macs,
        parameters=content.parameters,
        bytes=len(content.content),
        sha256=hashlib.sha256(content.content).hexdigest(),
    )


def _check_same_tensors(first: LevelContent, other: LevelContent) -> None:
    if (first.inputs, first.outputs) != (other.inputs, other.outputs):
        raise ValueError(
            "Invalid value for `contents`. Expected the same inputs and outputs for every "
            f"level. Received: {first.inputs}, {first.outputs} at u={first.utilization} and "
            f"{other.inputs}, {other.outputs} at u={other.utilization}"
        )


@contextmanager
def _temporary_sibling(destination: Path, purpose: str) -> Iterator[Path]:
    """Makes a folder beside the destination, on the same disk, and removes what is left of it."""
    folder = _sibling_name(destination, purpose)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sibling_name(destination: Path, purpose: str) -> Path:
    return destination.with_name(f".{destination.name}.{purpose}-{secrets.token_hex(4)}")


def replace_folder(destination: Path, folder: Path) -> None:
    """Renames `folder` to `destination`; what stood there goes, or comes back if that fails."""
    if not destination.exists():
        folder.rename(destination)
    else:
        aside = _sibling_name(destination, "old")
        destination.rename(aside)
        try:
            folder.rename(destination)
        except BaseException:
            aside.rename(destination)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    _flush_folder(destination.parent)


def _write_file(path: Path, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    # Some systems (Windows) and file systems cannot flush a folder; the files are flushed.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
