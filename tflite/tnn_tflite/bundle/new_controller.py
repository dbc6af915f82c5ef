"""A bundle gets another controller, and keeps its levels byte for byte."""

import os
from pathlib import Path

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.folder import read_file
from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.bundle.program_content import ProgramContent
from tnn_tflite.bundle.programs import LEVEL_ROLES
from tnn_tflite.bundle.writer import replace_bundle, write_controller, write_file, write_manifest


def exchange_controller(directory: str | os.PathLike, controller: ProgramContent | None) -> Bundle:
    """Gives a bundle another controller, or takes its own away.

    Args:
        directory: The bundle. One in the current format takes its place at once; if anything
            fails it stays as it was.
        controller: The new one, or None for none.

    Returns:
        The bundle, read back and checked.

    Raises:
        BundleError: If the bundle is damaged, or the controller does not fit it.
    """

    def fill(folder: Path) -> None:
        bundle = read_bundle(directory, LEVEL_ROLES)
        for part in bundle.levels if bundle.shared is None else [bundle.shared]:
            write_file(folder / part.file, read_file(bundle.directory, part.file, part.bytes))
        programs = [*write_controller(folder, controller), *bundle.levels]
        write_manifest(
            folder, programs, bundle.layout, bundle.shared, bundle.labels, bundle.preprocessing
        )
        copy = read_bundle(folder)
        for program in copy.programs:
            copy.read_level(program)  # no new manifest vouches for a damaged level

    return replace_bundle(directory, fill)
