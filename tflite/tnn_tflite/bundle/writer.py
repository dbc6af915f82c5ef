"""Writing a bundle so that a reader finds the old one or the new one, never half of each.

All files go into a temporary folder beside the destination and are flushed to the disk; the
folder then takes the destination's place (see `replacing.py`).
"""

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tnn_tflite.bundle.description import LAYOUTS, OF_LEVELS, Bundle, Preprocessing, SharedFile
from tnn_tflite.bundle.labels import Labels, labels_by_output
from tnn_tflite.bundle.manifest import MANIFEST, manifest_text, read_bundle
from tnn_tflite.bundle.program_content import LevelContent, ProgramContent
from tnn_tflite.bundle.programs import CONTROLLER, Level, Program
from tnn_tflite.bundle.replacing import (
    clear_leftovers,
    flush_folder,
    replace_folder,
    temporary_sibling,
)
from tnn_tflite.errors import BundleError

Content = TypeVar("Content", bound=LevelContent)

SHARED = "levels.tflite"  # the file of all levels in the layouts with one


def write_bundle(
    directory: str | os.PathLike,
    contents: Iterable[LevelContent],
    layout: str = "files",
    shared: bytes | None = None,
    labels: Labels | None = None,
    controller: ProgramContent | None = None,
    preprocessing: Mapping[str, Preprocessing] | None = None,
) -> Bundle:
    """Writes a bundle, or leaves everything as it was.

    Args:
        directory: Where the bundle shall stand. A new or empty folder, or an older bundle,
            which is replaced.
        contents: The levels, rising in utilization. They may be made one by one while they
            are written.
        layout: `"files"`: a file for each level. `"single"`: one file that holds every level,
            by which a level is cut when it is read. `"signatures"`: the same, and each level is
            a signature of the file, for runtimes that cannot cut.
        shared: The file of all levels in the layouts with one. What is cut from it is the
            `content` of each level.
        labels: A name for each class; by the name of the output where there are several.
        controller: The program that chooses the level; see `Bundle.controller`.
        preprocessing: How a picture becomes an input, by the name of the input.

    Returns:
        The bundle, read back and checked.

    Raises:
        BundleError: If the destination holds something else than a bundle.
        ValueError: If the levels differ in their inputs or outputs, there is no such layout, or
            not one label for each class.
    """
    check_layout(layout, OF_LEVELS)
    return replace_bundle(
        directory,
        lambda folder: _write_files(
            folder, contents, layout, shared, labels, controller, preprocessing
        ),
    )


def replace_bundle(directory: str | os.PathLike, fill: Callable[[Path], None]) -> Bundle:
    """Lets a function fill a folder, which then takes the place of the bundle if it is one."""
    destination = Path(os.path.realpath(directory))
    clear_leftovers(destination)
    check_destination(directory)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with temporary_sibling(destination) as folder:
        fill(folder)
        read_bundle(folder)
        check_destination(directory)
        replace_folder(destination, folder)
    return read_bundle(directory)


def check_layout(layout: str, layouts: Sequence[str] = LAYOUTS) -> None:
    """Raises `ValueError` unless `layout` is one of `layouts`."""
    if layout not in layouts:
        raise ValueError(
            f"Invalid value for `layout`. Expected one of {layouts}. Received: layout={layout!r}"
        )


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
        return {MANIFEST, *(program.file for program in read_bundle(directory).programs)}
    except BundleError as error:
        raise BundleError.at(
            directory,
            expected="an intact bundle to replace",
            received=f"a damaged one ({error})",
            advice="Move it away, or choose another destination.",
        ) from error


def _write_files(
    folder: Path,
    contents: Iterable[LevelContent],
    layout: str,
    shared: bytes | None,
    labels: Labels | None,
    controller: ProgramContent | None,
    preprocessing: Mapping[str, Preprocessing] | None,
) -> None:
    first, contents = peek(contents)
    by_output = labels_by_output(labels, first.outputs)  # before the other levels are converted
    contents = _with_same_tensors(first, contents)
    programs = write_controller(folder, controller)
    if shared is None:
        file, levels = None, tuple(_write_level(folder, content) for content in contents)
    else:
        write_file(folder / SHARED, shared)
        file = SharedFile(SHARED, len(shared), _hash(shared))
        levels = tuple(_level(content, SHARED) for content in contents)
    write_manifest(folder, [*programs, *levels], layout, file, by_output, preprocessing)


def write_manifest(folder: Path, *parts: Any) -> None:
    """Writes what `manifest_text` makes of the parts, and flushes the folder, which is complete."""
    write_file(folder / MANIFEST, manifest_text(*parts).encode())
    flush_folder(folder)


def write_controller(folder: Path, content: ProgramContent | None) -> list[Program]:
    """Writes a controller; returns the programs that this adds, none without one."""
    if content is None:
        return []
    file = f"{CONTROLLER}.tflite"
    write_file(folder / file, content.content)
    return [Program(name=CONTROLLER, role=CONTROLLER, file=file, **described(content))]


def peek(contents: Iterable[Content]) -> tuple[Content, Iterable[Content]]:
    """Returns the first level, and all of them; raises `ValueError` if there is none."""
    contents = iter(contents)
    first = next(contents, None)
    if first is None:
        raise ValueError("Invalid value for `contents`. Expected at least one level. Received: []")
    return first, itertools.chain([first], contents)


def _write_level(folder: Path, content: LevelContent) -> Level:
    file = f"u{content.utilization}.tflite"
    write_file(folder / file, content.content)
    return _level(content, file)


def _level(content: LevelContent, file: str) -> Level:
    u = content.utilization
    return Level(name=f"u{u}", utilization=u, file=file, **described(content))


def described(content: ProgramContent) -> dict[str, Any]:
    """What a `Program` has of its content."""
    return {
        "macs": content.macs,
        "parameters": content.parameters,
        "bytes": len(content.content),
        "sha256": _hash(content.content),
        "inputs": content.inputs,
        "outputs": content.outputs,
        "input_quantization": content.input_quantization,
        "output_quantization": content.output_quantization,
    }


def _with_same_tensors(
    first: LevelContent, contents: Iterable[LevelContent]
) -> Iterator[LevelContent]:
    for content in contents:
        _check_same_tensors(first, content)
        yield content


def _check_same_tensors(first: LevelContent, other: LevelContent) -> None:
    if (first.inputs, first.outputs) != (other.inputs, other.outputs):
        raise ValueError(
            "Invalid value for `contents`. Expected the same inputs and outputs for every "
            f"level. Received: {first.inputs}, {first.outputs} at u={first.utilization} and "
            f"{other.inputs}, {other.outputs} at u={other.utilization}"
        )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_file(path: Path, content: bytes) -> None:
    """Writes a new file and waits until it is on the disk."""
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
