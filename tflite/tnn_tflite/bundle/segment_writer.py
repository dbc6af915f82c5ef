"""Writing a network with exits as a bundle of segments."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tnn_tflite.bundle.description import Bundle, Preprocessing
from tnn_tflite.bundle.labels import Labels, labels_by_output
from tnn_tflite.bundle.program_content import ProgramContent
from tnn_tflite.bundle.programs import SEGMENT, Edge, LevelSegment, Program
from tnn_tflite.bundle.writer import described, replace_bundle, write_file, write_manifest


@dataclass(frozen=True)
class SegmentContent(ProgramContent):
    """One segment, ready to be written. Its first output is that of its exit.

    Args:
        exit: Name of the exit that it ends in. For what else it has see `ProgramContent`.
        edges: What earlier segments hand on to it, by the `name` of each.
        utilization: Of the level that it belongs to; None where the bundle has only one.
        accuracy: As `LevelSegment` has it.
    """

    exit: str = field(kw_only=True)
    edges: tuple[Edge, ...] = field(default=(), kw_only=True)
    utilization: float | None = field(default=None, kw_only=True)
    accuracy: float | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        """Its name in the bundle."""
        return segment_name(self.exit, self.utilization)


def segment_name(exit: str, utilization: float | None) -> str:
    """The name of the segment that ends in an exit, of the only level or of one of several.

    >>> segment_name("early", None), segment_name("early", 0.5)
    ('early', 'u0.5:early')
    """
    return exit if utilization is None else f"u{utilization}:{exit}"


def write_segments(
    directory: str | os.PathLike,
    contents: Sequence[SegmentContent],
    labels: Labels | None = None,
    preprocessing: Mapping[str, Preprocessing] | None = None,
) -> Bundle:
    """Writes a bundle, or leaves everything as it was.

    Args:
        directory: As for `write_bundle`.
        contents: The segments in the order in which they run; those of several levels one level
            after another, rising.
        labels: A name for each class.
        preprocessing: As for `write_bundle`.

    Returns:
        The bundle, read back and checked.

    Raises:
        BundleError: If the destination holds something else than a bundle, or the segments do not
            fit together.
        ValueError: If there is not one label for each class.
    """
    by_output = labels_by_output(labels, contents[-1].outputs[:1])

    def fill(folder: Path) -> None:
        programs = [_write(folder, place, one) for place, one in enumerate(contents, start=1)]
        edges = [edge for one in contents for edge in one.edges]
        write_manifest(folder, programs, "files", None, by_output, preprocessing, edges)

    return replace_bundle(directory, fill)


def _write(folder: Path, place: int, content: SegmentContent) -> Program:
    file = f"segment_{place}.tflite"  # an exit's name may be none that a file system takes
    write_file(folder / file, content.content)
    common = {"name": content.name, "file": file, **described(content)}
    if content.utilization is None:
        return Program(role=SEGMENT, **common)
    return LevelSegment(
        utilization=content.utilization, exit=content.exit, accuracy=content.accuracy, **common
    )
